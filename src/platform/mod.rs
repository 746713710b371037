//! Layer 0: everything that differs between systems. No other module asks which system it runs on.
//!
//! `unix` and `other` have the same functions. `other` is for Windows: where a function has nothing to do there, or clawgate
//! cannot do it yet, its comment says so. Only Linux is tested.

#[cfg(not(unix))]
mod other;
mod owner;
pub(crate) mod private_dir;
#[cfg(unix)]
mod terminal;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
use other as system;
#[cfg(unix)]
use unix as system;

#[cfg(not(unix))]
pub use other::restore_echo;
#[cfg(unix)]
pub use terminal::restore_echo;

#[cfg(not(unix))]
pub(crate) use other::EchoOff;
#[cfg(unix)]
pub(crate) use terminal::EchoOff;

pub use owner::FileOwner;
pub(crate) use system::{
    TERMINAL, change_stamp, file_id, for_owner_only, for_owner_only_dir, inode, is_executable,
    keep_owner_and_mode, open_file_itself, permission_bits, unsafe_directory, unsafe_file, with_mode,
};
pub use system::{account_home, detach, protect_memory};

/// Whether command lines are read by a POSIX shell, and not by that of Windows.
pub(crate) const HAS_POSIX_SHELL: bool = cfg!(unix);

/// Returns the zone that the system names, if it keeps it in another place than `/etc/localtime`.
pub fn time_zone_of_the_system() -> Option<Option<String>> {
    cfg!(windows).then(|| jiff::tz::TimeZone::system().iana_name().map(str::to_owned))
}

/// Whether two descriptions are of the same file. Without file ids, files of the same size count as the same.
pub(crate) fn same_file(a: &std::fs::Metadata, b: &std::fs::Metadata) -> bool {
    match (file_id(a), file_id(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a.len() == b.len() && b.is_file(),
    }
}
