//! The policy that writes architectures.
