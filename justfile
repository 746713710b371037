# What the engineers run. `just check` is what has to pass before a commit.

check: fmt-check lint test doc

fmt:
    cargo fmt

fmt-check:
    cargo fmt --check

lint:
    cargo clippy --all-targets --locked -- -D warnings

test:
    cargo test --locked

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked

bench:
    cargo bench --locked

# Licences and advisories of the dependencies (needs cargo-deny).
deny:
    cargo deny check licenses bans sources
