//! What the targets share: bytes read as one agent's file, in the place where the agent keeps it.

use clawgate::sources::{REGISTRY, ReadOptions, Source};

/// Reads `data` through every way that a source has; nothing may panic, and both ways count the same requests.
pub fn read(source: &dyn Source, place: &str, data: &[u8]) {
    let Ok(dir) = tempfile::tempdir() else { return };
    let file = dir.path().join(place);
    let made = file.parent().map(std::fs::create_dir_all);
    if !matches!(made, Some(Ok(()))) || std::fs::write(&file, data).is_err() {
        return;
    }
    let opts = ReadOptions { line_limit: 1 << 20, ..ReadOptions::default() };
    let _ = source.companions(&file);
    let whole = source.read(&file, &opts);
    let mut rows = 0;
    let alone = source.read_usage(&file, &opts, &mut Vec::new(), &mut |u| rows += u.rows.len());
    if let (Ok(whole), Ok(())) = (whole, alone) {
        // A line that is broken where only the conversation stands can still tell its usage.
        let lost = whole.skipped_lines.total as usize;
        let same = whole.usage.len() == rows || (lost > 0 && whole.usage.len() <= rows);
        assert!(same, "{place}: usage alone counts {rows} of {} ({lost} lines lost)", whole.usage.len());
        for session in &whole.sessions {
            let _ = clawgate::trace::canonical_json(session);
        }
    }
}

/// The first byte chooses among `places` (agent and file), the rest is the file.
pub fn choose(places: &[(&str, &str)], data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let (agent, place) = places[usize::from(*first) % places.len()];
    let source = REGISTRY.iter().find(|s| s.agent() == agent).expect("a registered agent");
    read(*source, place, rest);
}
