//! Inventing what is planted: people, code names, handles, clients, machines and spelled-out phone numbers that no rule
//! catches, and public names that nobody should report.
//!
//! Everything comes from keyed hashes under a key that never leaves the archive: an agent cannot know what is
//! invented, and the same chunk shows the same words however often it is served.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Throws that depend on a key and a purpose only.
pub(super) struct Dice {
    key: [u8; 32],
    purpose: String,
    thrown: u64,
}

impl Dice {
    pub fn new(key: [u8; 32], purpose: &[&str]) -> Self {
        Dice { key, purpose: purpose.join("\0"), thrown: 0 }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.thrown += 1;
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return 0 };
        mac.update(self.purpose.as_bytes());
        mac.update(&self.thrown.to_be_bytes());
        let bytes = mac.finalize().into_bytes();
        bytes.iter().take(8).fold(0, |n, b| n << 8 | u64::from(*b))
    }

    /// One of `n` numbers; 0 where there is none.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n.max(1) as u64) as usize
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        let n = self.below(list.len());
        list.get(n).copied().unwrap_or_default()
    }
}

/// An invented value with a sentence around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invention {
    pub kind: &'static str,
    pub value: String,
    pub sentence: String,
}

const FIRST: &[&str] = &[
    "Tamsin",
    "Oluchi",
    "Ragnhild",
    "Priyesh",
    "Matteusz",
    "Ilse",
    "Kwabena",
    "Saoirse",
    "Dorotea",
    "Yusra",
    "Bertrand",
    "Nkechi",
    "Leocadia",
    "Arvid",
    "Meritxell",
    "Hamza",
    "Zdenka",
    "Tomoko",
    "Eluned",
    "Casimir",
    "Ngaio",
    "Fenna",
    "Rustam",
    "Odalys",
    "Joaquim",
    "Sunniva",
    "Ibtisam",
    "Wendeline",
    "Takoda",
    "Branwen",
];
const LAST_HEAD: &[&str] = &[
    "Alder", "Bram", "Quill", "Thorn", "Vesper", "Okon", "Marr", "Halv", "Pell", "Isk", "Dunn", "Castel",
    "Wynn", "Rooke", "Stell", "Orsi", "Tarn", "Kessel",
];
const LAST_TAIL: &[&str] = &[
    "gate", "wick", "stad", "oro", "ander", "ikova", "berg", "ley", "worth", "ani", "mere", "quist", "ovic",
    "holt",
];
const TINT: &[&str] = &[
    "Tin", "Amber", "Quiet", "Copper", "Lunar", "Velvet", "Winter", "Paper", "Hollow", "Saffron", "Slate",
    "Crooked",
];
const THING: &[&str] = &[
    "Heron", "Orchard", "Lantern", "Badger", "Harbour", "Comet", "Thistle", "Anvil", "Magpie", "Glacier",
    "Walnut",
];
const TRADE: &[&str] = &[
    "Orthopaedics",
    "Joinery",
    "Freight",
    "Dental",
    "Fisheries",
    "Solicitors",
    "Tutoring",
    "Plumbing",
    "Veterinary",
];
const DIGIT: &[&str] = &["oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

const PUBLIC: &[&str] = &[
    "Linus Torvalds",
    "Grace Hopper",
    "Donald Knuth",
    "Barbara Liskov",
    "Guido van Rossum",
    "Edsger Dijkstra",
    "Margaret Hamilton",
    "Ken Thompson",
    "www.example.com",
    "docs.example.org",
    "Alan Turing",
    "Dennis Ritchie",
];

/// What is said about a value: in prose, and in a tool's output.
type Phrases = (&'static [&'static str], &'static [&'static str]);

const PERSON: Phrases = (
    &[
        "I promised {} a short summary of this by Friday.",
        "Check with {} before you change anything here.",
        "This was an idea of {}, not mine.",
        "Yesterday {} told me the same over lunch.",
    ],
    &[
        "pairing notes: {} drove and the other typed",
        "last looked at by {} on a Tuesday",
        "waiting for {} to come back from leave",
    ],
);
const PROJECT: Phrases = (
    &[
        "Nobody outside may hear of {} yet.",
        "Please keep {} out of the changelog.",
        "We only do this for {}, which is not announced.",
    ],
    &["build label for the unannounced {}", "internal code name in use: {}"],
);
const HANDLE: Phrases = (
    &["Once it is green, ping {} on chat.", "It was {} who merged this last night."],
    &["merged last night by {}", "assigned on the board to {}"],
);
const PHONE: Phrases = (
    &["If it breaks, just call me on {}.", "My number over the weekend is {}."],
    &["on call this week, ring {}", "fallback number in words: {}"],
);
const CLIENT: Phrases = (
    &["The account of {} goes live with this.", "We do it because {} asked for it and pays for it."],
    &["invoice goes to {}", "imported from the account of {}"],
);
const HOST: Phrases = (
    &["It only fails on {}, under my desk.", "I copied it over from {} at home."],
    &["copied over from {}", "last seen on {} in the basement"],
);
const HARMLESS: Phrases = (
    &["There is a talk about this that mentions {}.", "The textbook names {} here."],
    &["see also: {} in the public docs", "example from the manual: {}"],
);

/// Invents something to be reported.
pub(super) fn invent(dice: &mut Dice, prose: bool) -> Invention {
    let first = |d: &mut Dice| d.of(FIRST);
    let last = |d: &mut Dice| format!("{}{}", d.of(LAST_HEAD), d.of(LAST_TAIL));
    let (kind, value, phrases) = match dice.below(7) {
        0 | 1 => ("PERSON", format!("{} {}", first(dice), last(dice)), PERSON),
        2 => ("PROJECT", format!("{} {}", dice.of(TINT), dice.of(THING)), PROJECT),
        3 => {
            let number = 10 + dice.below(89);
            ("HANDLE", format!("{}_{}{number}", first(dice), last(dice)).to_lowercase(), HANDLE)
        }
        4 => {
            let digit = |d: &mut Dice| d.of(DIGIT);
            let value = format!(
                "{} {} {}, double {} {}, {} {}",
                digit(dice),
                digit(dice),
                digit(dice),
                digit(dice),
                digit(dice),
                digit(dice),
                digit(dice)
            );
            ("PHONE", value, PHONE)
        }
        5 => ("CLIENT", format!("{} {}", last(dice), dice.of(TRADE)), CLIENT),
        _ => {
            let number = 2 + dice.below(7);
            ("HOST", format!("{}box-{number}", last(dice)).to_lowercase(), HOST)
        }
    };
    say(dice, kind, value, phrases, prose)
}

/// Picks something public, which is not to be reported.
pub(super) fn harmless(dice: &mut Dice, prose: bool) -> Invention {
    let value = dice.of(PUBLIC).to_owned();
    say(dice, "PUBLIC", value, HARMLESS, prose)
}

fn say(dice: &mut Dice, kind: &'static str, value: String, phrases: Phrases, prose: bool) -> Invention {
    let sentence = dice.of(if prose { phrases.0 } else { phrases.1 }).replace("{}", &value);
    Invention { kind, value, sentence }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn inventions_come_from_the_key_and_fit_into_json() {
        let at = |key: u8, n: usize| {
            invent(&mut Dice::new([key; 32], &["r", &n.to_string()]), n.is_multiple_of(2))
        };
        let all: Vec<Invention> = (0..500).map(|n| at(1, n)).collect();
        assert_eq!(all, (0..500).map(|n| at(1, n)).collect::<Vec<_>>());
        let same = (0..500).filter(|n| at(2, *n).value == all[*n].value).count();
        assert!(same < 10, "{same} of 500 do not depend on the key");
        let kinds: BTreeSet<&str> = all.iter().map(|i| i.kind).collect();
        assert_eq!(kinds.len(), 6, "{kinds:?}");
        let values: BTreeSet<&str> = all.iter().map(|i| i.value.as_str()).collect();
        assert!(values.len() > 350, "{}", values.len());
        for i in all {
            assert!(i.sentence.contains(&i.value) && i.value.len() >= 6, "{i:?}");
            assert_eq!(serde_json::to_string(&i.sentence).unwrap(), format!("\"{}\"", i.sentence));
        }
    }

    #[test]
    fn the_rules_leave_enough_of_every_kind_alone() {
        let engine = crate::rules::Engine::builtin().unwrap();
        let policy = crate::redact::Policy::default();
        let mut redactor = crate::redact::Redactor::new(engine, policy, [3; 32]);
        let mut kinds: std::collections::BTreeMap<&str, (u32, u32)> = std::collections::BTreeMap::new();
        for n in 0..300 {
            let i = invent(&mut Dice::new([5; 32], &[&n.to_string()]), n % 3 > 0);
            let (all, left) = kinds.entry(i.kind).or_default();
            *all += 1;
            *left += u32::from(redactor.redact_text(&i.sentence).text == i.sentence);
        }
        // What the rules know is thrown again: if nearly all of a kind were known, readers would not be measured on it.
        for (kind, (all, left)) in &kinds {
            assert!(left * 10 >= *all, "{kind}: rules leave {left} of {all}: {kinds:?}");
        }
    }
}
