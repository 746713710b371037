//! The prices in force: the built-in table, an imported table that takes precedence over it, and custom prices.

use sha2::{Digest, Sha256};

use crate::pricing::{Overrides, PriceError, PriceTable};
use crate::usage::Pricer;

use crate::app::fs::read_if_exists;
use crate::app::{App, Failure};

/// Name of the imported price table in clawgate's directory.
pub(in crate::app) const IMPORTED_TABLE: &str = "prices.json";

/// The price tables and custom prices in force.
#[derive(Debug, Default)]
pub struct Prices {
    imported: Option<PriceTable>,
    overrides: Overrides,
    /// Text of the imported table and of the custom prices, for the fingerprint.
    custom_text: String,
}

impl Prices {
    pub fn table(&self) -> &PriceTable {
        self.imported.as_ref().unwrap_or_else(|| PriceTable::builtin())
    }

    /// Returns the custom prices.
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// Returns a hash of all prices. Figures computed under another fingerprint may differ.
    pub fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        for part in [env!("CARGO_PKG_VERSION"), PriceTable::builtin_text(), &self.custom_text] {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
        data_encoding::HEXLOWER.encode(&digest.finalize())
    }

    /// Returns a pricer that uses these prices.
    pub fn pricer(&self) -> Pricer<'_> {
        Pricer::new(self.table(), &self.overrides)
    }
}

impl From<PriceError> for Failure {
    fn from(e: PriceError) -> Self {
        Failure::failed("bad_prices", e.to_string())
    }
}

impl App {
    /// Loads the prices in force.
    ///
    /// # Errors
    /// [`Failure`] if the imported table or a custom price is invalid.
    pub fn prices(&self) -> Result<Prices, Failure> {
        let overrides = Overrides::new(&self.config.price)
            .map_err(|e| Failure::from(e).hint("correct [[price]] in config.toml"))?;
        let path = self.dir().join(IMPORTED_TABLE);
        let mut custom_text = format!("{:?}", self.config.price);
        let mut imported = None;
        if let Some(text) = read_if_exists(&path)? {
            let table = PriceTable::parse(&text).map_err(|e| {
                Failure::from(e)
                    .hint("import a valid file: clawgate pricing import FILE")
                    .hint(format!("remove {} to use the built-in prices", path.display()))
            })?;
            custom_text.push_str(&text);
            imported = Some(table.over(PriceTable::builtin()));
        }
        Ok(Prices { imported, overrides, custom_text })
    }
}
