//! How all property tests are run: the same cases every time, unless somebody asks for others.

use proptest::test_runner::{Config, RngSeed};

/// Runs a property test on a number of cases from a fixed seed. `PROPTEST_CASES` sets another number of random cases, and
/// `PROPTEST_RNG_SEED` repeats a run.
#[allow(clippy::disallowed_methods, reason = "tests ask the environment, the core never does")]
pub fn cases(usual: u32) -> Config {
    // proptest's default has read both variables
    let asked = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return asked;
    }
    let rng_seed = match asked.rng_seed {
        RngSeed::Random => RngSeed::Fixed(0x636c_6177),
        given => given,
    };
    Config { cases: usual, rng_seed, ..asked }
}
