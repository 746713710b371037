//! The one integration binary.

mod workflow;
