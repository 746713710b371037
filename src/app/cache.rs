//! A small cache of values that are expensive to compute.

use std::sync::{Arc, Mutex, PoisonError};

/// Keeps the most recently used values, up to a total size in bytes.
pub(crate) struct RecentCache<V> {
    max_bytes: u64,
    /// The most recently used entry is the last one. There are only a few, so a list is searched fast enough.
    entries: Mutex<Vec<Entry<V>>>,
}

struct Entry<V> {
    key: String,
    bytes: u64,
    value: Arc<V>,
}

impl<V> RecentCache<V> {
    pub fn new(max_bytes: u64) -> Self {
        RecentCache { max_bytes, entries: Mutex::new(Vec::new()) }
    }

    pub fn get(&self, key: &str) -> Option<Arc<V>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let at = entries.iter().position(|e| e.key == key)?;
        let entry = entries.remove(at);
        let value = Arc::clone(&entry.value);
        entries.push(entry);
        Some(value)
    }

    /// Adds a value of this size and removes the least recently used ones until the total fits. Does not keep a value that
    /// alone is larger than the limit.
    pub fn insert(&self, key: String, bytes: u64, value: V) -> Arc<V> {
        let value = Arc::new(value);
        if bytes > self.max_bytes {
            return value;
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|e| e.key != key);
        entries.push(Entry { key, bytes, value: Arc::clone(&value) });
        while entries.iter().map(|e| e.bytes).sum::<u64>() > self.max_bytes {
            entries.remove(0);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_values_are_removed_first() {
        let cache = RecentCache::new(10);
        for (key, bytes) in [("a", 4), ("b", 4)] {
            cache.insert(key.to_owned(), bytes, key);
        }
        assert!(cache.get("a").is_some());
        cache.insert("c".to_owned(), 4, "c");
        let kept: Vec<&str> = ["a", "b", "c"].into_iter().filter(|k| cache.get(k).is_some()).collect();
        assert_eq!(kept, ["a", "c"]);
        assert_eq!(*cache.insert("large".to_owned(), 11, "large"), "large");
        assert!(cache.get("large").is_none() && cache.get("c").is_some());
        cache.insert("a".to_owned(), 10, "again");
        assert_eq!(cache.get("a").as_deref(), Some(&"again"));
        assert!(cache.get("c").is_none());
    }
}
