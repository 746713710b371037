//! Whose file is read.

/// Whose file may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileOwner {
    /// The user who runs the program. Nobody else may read or write the file.
    User,
    /// The administrator. Nobody else may write the file.
    Root,
}
