//! The prices in force: the table that ships with the program, an imported one over it, and the person's own.

use sha2::{Digest, Sha256};

use crate::pricing::{Overrides, PriceError, PriceTable};
use crate::usage::Pricer;

use crate::app::{App, Failure};

/// Where an imported price table stands in our directory.
pub(in crate::app) const IMPORTED: &str = "prices.json";

/// Prices in force.
#[derive(Debug, Default)]
pub struct Prices {
    imported: Option<PriceTable>,
    overrides: Overrides,
    /// What is over the table that ships with the program, as text.
    own: String,
}

impl Prices {
    /// The table.
    pub fn table(&self) -> &PriceTable {
        self.imported.as_ref().unwrap_or_else(|| PriceTable::builtin())
    }

    /// The person's own prices.
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// Says which prices these are: what was computed with others is not what they give.
    pub fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        for part in [env!("CARGO_PKG_VERSION"), PriceTable::builtin_text(), &self.own] {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
        data_encoding::HEXLOWER.encode(&digest.finalize())
    }

    /// A pricer over them.
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
    /// The prices in force.
    ///
    /// # Errors
    /// [`Failure`] where the imported table or a price of the configuration does not read.
    pub fn prices(&self) -> Result<Prices, Failure> {
        let overrides = Overrides::new(&self.config.price)
            .map_err(|e| Failure::from(e).hint("correct [[price]] in config.toml"))?;
        let path = self.dir().join(IMPORTED);
        let mut own = format!("{:?}", self.config.price);
        let imported = match std::fs::read_to_string(&path) {
            Ok(text) => {
                let table = PriceTable::parse(&text).map_err(|e| {
                    Failure::from(e)
                        .hint("clawgate pricing import FILE, with a file that reads")
                        .hint(format!("remove {} to use the prices that ship with clawgate", path.display()))
                })?;
                own.push_str(&text);
                Some(table)
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(crate::app::fs::io_failure("cannot read", &path, &e)),
        };
        Ok(Prices { imported: imported.map(|t| t.over(PriceTable::builtin())), overrides, own })
    }
}
