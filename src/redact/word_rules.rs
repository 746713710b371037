//! The rules that find a word as such, wherever it occurs, and not by what is around it.

/// A string that the person configured.
pub(crate) const CUSTOM: &str = "custom";
/// A value that a person or an agent reported.
pub(super) const REPORTED: &str = "reported";
/// A configured user name, or the one of a home directory.
pub(super) const USERNAME: &str = "username";
/// A name, mail address or account of the person whose sessions these are.
pub(super) const IDENTITY: &str = "identity";
/// The account in the path of a home directory.
pub(super) const HOME_PATH: &str = "home-path";
/// The local part of a mail address.
pub(super) const MAIL_NAME: &str = "mail-name";
/// A part of the name of a person, or an account made of it.
pub(super) const NAME_PART: &str = "name-part";

/// Begins the ids of detectors outside this program.
pub(super) const DETECTOR: &str = "detector:";

/// Whether a rule finds words as such.
pub(super) fn is_word_rule(rule: &str) -> bool {
    [CUSTOM, REPORTED, USERNAME, IDENTITY, HOME_PATH, MAIL_NAME, NAME_PART].contains(&rule)
        || rule.starts_with(DETECTOR)
}
