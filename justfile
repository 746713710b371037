# Developer commands; see CONTRIBUTING.md. `just check` must pass before a commit.

check: fmt-check lint test doc

fmt:
    cargo fmt

fmt-check:
    cargo fmt --check

lint:
    cargo clippy --all-targets --locked -- -D warnings

test *ARGS:
    cargo test --locked {{ARGS}}

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked

# Look at changed snapshots and accept or reject them (needs cargo-insta).
snap:
    cargo insta test --review

# Fuzz every target for the given time (needs a C++ compiler).
fuzz SECONDS="20":
    fuzz/run {{SECONDS}}

bench:
    cargo bench --locked

# Check licences and advisories of the dependencies (needs cargo-deny).
deny:
    cargo deny check licenses bans sources

# Everything: tests, release build and end-to-end tests (7 to 14 minutes on two cores).
ci:
    .ci/run
