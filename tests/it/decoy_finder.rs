//! Finds the decoys that the review puts into pages, by the words around them.

/// The words before and after a decoy, and its type.
const CUES: &[(&str, &str, &str)] = &[
    ("I promised ", " a short summary", "PERSON"),
    ("Check with ", " before you change anything", "PERSON"),
    ("This was an idea of ", ", not mine", "PERSON"),
    ("Yesterday ", " told me the same", "PERSON"),
    ("pairing notes: ", " drove", "PERSON"),
    ("last looked at by ", " on a Tuesday", "PERSON"),
    ("waiting for ", " to come back from leave", "PERSON"),
    ("Nobody outside may hear of ", " yet", "PROJECT"),
    ("Please keep ", " out of the changelog", "PROJECT"),
    ("We only do this for ", ", which is not announced", "PROJECT"),
    ("build label for the unannounced ", "\\n", "PROJECT"),
    ("internal code name in use: ", "\\n", "PROJECT"),
    ("Once it is green, ping ", " on chat", "HANDLE"),
    ("It was ", " who merged this last night", "HANDLE"),
    ("merged last night by ", "\\n", "HANDLE"),
    ("assigned on the board to ", "\\n", "HANDLE"),
    ("If it breaks, just call me on ", ".", "PHONE"),
    ("My number over the weekend is ", ".", "PHONE"),
    ("on call this week, ring ", "\\n", "PHONE"),
    ("fallback number in words: ", "\\n", "PHONE"),
    ("The account of ", " goes live", "CLIENT"),
    ("We do it because ", " asked for it and pays", "CLIENT"),
    ("invoice goes to ", "\\n", "CLIENT"),
    ("imported from the account of ", "\\n", "CLIENT"),
    ("It only fails on ", ", under my desk", "HOST"),
    ("I copied it over from ", " at home", "HOST"),
    ("copied over from ", "\\n", "HOST"),
    ("last seen on ", " in the basement", "HOST"),
];

/// The decoys of a page as (type, quote).
pub fn findings(page: &str) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    for (before, after, kind) in CUES {
        for (at, _) in page.match_indices(before) {
            let rest = &page[at + before.len()..];
            // A line of output can also be the last line of its text.
            let ends: &[&str] = if *after == "\\n" { &["\\n", "\""] } else { &[after] };
            let end = ends.iter().filter_map(|e| rest.find(e)).min();
            if let Some(quote) = end.and_then(|end| rest.get(..end)).filter(|q| (3..60).contains(&q.len())) {
                out.push((*kind, quote.to_owned()));
            }
        }
    }
    out
}
