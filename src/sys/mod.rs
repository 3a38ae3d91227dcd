//! What is asked of the operating system: mappings, pinning, signals. The only unsafe outside of `kernels/`.

pub mod map;
pub mod memory;
pub mod pin;
pub mod signal;
