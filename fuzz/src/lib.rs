//! Code that the fuzz targets share: reads bytes as a log of an agent.

use clawgate::sources::{REGISTRY, ReadOptions, Source};

/// Reads `data` as the file `path` with both readers of a source. Neither may panic, and both must find the same requests.
pub fn read(source: &dyn Source, path: &str, data: &[u8]) {
    let Ok(dir) = tempfile::tempdir() else { return };
    let file = dir.path().join(path);
    let made = file.parent().map(std::fs::create_dir_all);
    if !matches!(made, Some(Ok(()))) || std::fs::write(&file, data).is_err() {
        return;
    }
    let opts = ReadOptions { line_limit: 1 << 20, ..ReadOptions::default() };
    let _ = source.companions(&file);
    let whole = source.read(&file, &opts);
    let mut rows = 0;
    let usage_only = source.read_usage(&file, &opts, &mut Vec::new(), &mut |u| rows += u.rows.len());
    if let (Ok(whole), Ok(())) = (whole, usage_only) {
        // A line whose conversation is broken can still have readable usage.
        let lost = whole.skipped_lines.total as usize;
        let same = whole.usage.len() == rows || (lost > 0 && whole.usage.len() <= rows);
        assert!(same, "{path}: the usage reader finds {rows} of {} requests ({lost} lines skipped)", whole.usage.len());
        for session in &whole.sessions {
            let _ = clawgate::trace::canonical_json(session);
        }
    }
}

/// Chooses one of `logs` (agent and path) by the first byte, and reads the other bytes as that file.
pub fn read_chosen(logs: &[(&str, &str)], data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let (agent, path) = logs[usize::from(*first) % logs.len()];
    let source = REGISTRY.iter().find(|s| s.agent() == agent).expect("a registered agent");
    read(*source, path, rest);
}
