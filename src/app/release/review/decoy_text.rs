//! The text of decoys: invented people, code names, handles, clients, machines and spelled-out phone numbers that no
//! rule recognises. Negative controls are public names that nobody should report.
//!
//! All choices come from keyed hashes. The key never leaves the archive, so an agent cannot compute which values are
//! invented, and a chunk shows the same decoy each time it is served.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::chunks::TextKind;

/// Pseudo-random numbers that depend only on a key and a purpose.
pub(super) struct KeyedRandom {
    key: [u8; 32],
    purpose: String,
    count: u64,
}

impl KeyedRandom {
    pub fn new(key: [u8; 32], purpose: &[&str]) -> Self {
        KeyedRandom { key, purpose: purpose.join("\0"), count: 0 }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.count += 1;
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return 0 };
        mac.update(self.purpose.as_bytes());
        mac.update(&self.count.to_be_bytes());
        let bytes = mac.finalize().into_bytes();
        bytes.iter().take(8).fold(0, |n, b| n << 8 | u64::from(*b))
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n.max(1) as u64) as usize
    }

    fn choose<'a>(&mut self, list: &[&'a str]) -> &'a str {
        let n = self.below(list.len());
        list.get(n).copied().unwrap_or_default()
    }
}

/// An invented value with a sentence that contains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DecoyText {
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

/// Sentences about a value: in prose, and in the output of a tool. `{}` is the place of the value.
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
const CONTROL: Phrases = (
    &["There is a talk about this that mentions {}.", "The textbook names {} here."],
    &["see also: {} in the public docs", "example from the manual: {}"],
);

/// Invents a value that a reader must report.
pub(super) fn decoy(random: &mut KeyedRandom, text: TextKind) -> DecoyText {
    let first_name = |r: &mut KeyedRandom| r.choose(FIRST);
    let last_name = |r: &mut KeyedRandom| format!("{}{}", r.choose(LAST_HEAD), r.choose(LAST_TAIL));
    let (kind, value, phrases) = match random.below(7) {
        0 | 1 => ("PERSON", format!("{} {}", first_name(random), last_name(random)), PERSON),
        2 => ("PROJECT", format!("{} {}", random.choose(TINT), random.choose(THING)), PROJECT),
        3 => {
            let number = 10 + random.below(89);
            ("HANDLE", format!("{}_{}{number}", first_name(random), last_name(random)).to_lowercase(), HANDLE)
        }
        4 => {
            let [a, b, c, d, e, f, g] = std::array::from_fn(|_| random.choose(DIGIT));
            ("PHONE", format!("{a} {b} {c}, double {d} {e}, {f} {g}"), PHONE)
        }
        5 => ("CLIENT", format!("{} {}", last_name(random), random.choose(TRADE)), CLIENT),
        _ => {
            let number = 2 + random.below(7);
            ("HOST", format!("{}box-{number}", last_name(random)).to_lowercase(), HOST)
        }
    };
    sentence(random, kind, value, phrases, text)
}

/// Chooses a public name that a reader must not report.
pub(super) fn negative_control(random: &mut KeyedRandom, text: TextKind) -> DecoyText {
    let value = random.choose(PUBLIC).to_owned();
    sentence(random, "PUBLIC", value, CONTROL, text)
}

fn sentence(
    random: &mut KeyedRandom,
    kind: &'static str,
    value: String,
    phrases: Phrases,
    text: TextKind,
) -> DecoyText {
    let phrases = match text {
        TextKind::Prose => phrases.0,
        TextKind::Output => phrases.1,
    };
    let sentence = random.choose(phrases).replace("{}", &value);
    DecoyText { kind, value, sentence }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn text(prose: bool) -> TextKind {
        if prose { TextKind::Prose } else { TextKind::Output }
    }

    #[test]
    fn decoys_depend_on_the_key_and_need_no_json_escape() {
        let at = |key: u8, n: usize| {
            let mut random = KeyedRandom::new([key; 32], &["r", &n.to_string()]);
            decoy(&mut random, text(n.is_multiple_of(2)))
        };
        let all: Vec<DecoyText> = (0..500).map(|n| at(1, n)).collect();
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
    fn the_rules_do_not_recognise_most_decoys_of_any_kind() {
        let engine = crate::rules::Engine::builtin().unwrap();
        let policy = crate::redact::Policy::default();
        let mut redactor = crate::redact::Redactor::new(engine, policy, [3; 32]);
        let mut kinds: std::collections::BTreeMap<&str, (u32, u32)> = std::collections::BTreeMap::new();
        for n in 0..300 {
            let i = decoy(&mut KeyedRandom::new([5; 32], &[&n.to_string()]), text(n % 3 > 0));
            let (all, left) = kinds.entry(i.kind).or_default();
            *all += 1;
            *left += u32::from(redactor.redact_text(&i.sentence).text == i.sentence);
        }
        // A recognised decoy is replaced by another one. If the rules recognised nearly all decoys of a kind, readers
        // would not be measured on that kind.
        for (kind, (all, left)) in &kinds {
            assert!(left * 10 >= *all, "{kind}: rules leave {left} of {all}: {kinds:?}");
        }
    }
}
