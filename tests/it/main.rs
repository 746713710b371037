//! The one integration binary.

mod sources;
