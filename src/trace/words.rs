//! Enums whose values have a name in JSON, in the archive or on the command line.

/// A text that names none of the known values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {known}")]
pub struct UnknownName {
    /// The values that exist, for a message.
    pub known: &'static str,
}

/// Gives an enum the names of its values: `as_str`, `Display`, and `FromStr` with [`UnknownName`] as its error.
///
/// The text after the type says which values exist, for the error.
macro_rules! words {
    ($type:ident, $known:literal, { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $type {
            /// Returns the name used in JSON and in messages.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($type::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::trace::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok($type::$variant),)+
                    _ => Err($crate::trace::UnknownName { known: $known }),
                }
            }
        }
    };
}

pub(crate) use words;
