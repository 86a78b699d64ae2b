//! Reading definitions: text into a located tree ([`source`]), the tree into typed fields
//! ([`fields`]), and everything that is wrong with it into diagnostics ([`diagnostics`]), all at
//! once. What a state's fields mean is the state's own business; retriers, catchers and resources,
//! which several states share, are here.

pub mod cloudformation;
pub mod codes;
pub mod diagnostics;
pub mod excerpt;
pub mod fields;
pub mod names;
pub mod outline;
pub mod resource;
pub mod retry;
pub mod review;
pub mod source;
pub mod suggest;
pub mod verdict;
