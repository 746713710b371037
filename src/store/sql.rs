//! Values as SQL takes them.

/// Returns a list as a JSON array for `json_each`, or null.
pub(super) fn json_list(list: Option<&[String]>) -> Option<String> {
    list.map(|list| serde_json::to_string(list).unwrap_or_default())
}

/// Reads a text column with [`std::str::FromStr`]. An unknown text is a conversion error of that column.
pub(super) fn parsed<T>(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e))
    })
}
