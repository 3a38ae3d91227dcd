//! [`Lines`] where there are no vectors to find them with: none are to be had.

use core::convert::Infallible;
use core::iter::Empty;
use core::marker::PhantomData;
use core::ops::Range;

use super::{Line, Pairs};
use crate::backend::Backend;

/// The lines of a text, of which there are none here.
#[derive(Debug)]
pub struct Lines<'t>(Infallible, PhantomData<&'t [u8]>);

impl<'t> Lines<'t> {
    /// None.
    pub fn new(_: Backend, _: &'t [u8]) -> Option<Self> {
        None
    }

    /// Never called.
    pub fn next_line(&mut self) -> Option<Line> {
        match self.0 {}
    }

    /// Never called.
    pub fn read(&mut self, _: &mut [u32], _: &mut [f32]) -> Pairs {
        match self.0 {}
    }

    /// Never called.
    pub fn read_values(&mut self, _: &mut [f32]) -> Pairs {
        match self.0 {}
    }

    /// Never called.
    pub fn names(&self) -> Empty<Range<usize>> {
        match self.0 {}
    }

    /// Never called.
    pub fn words(&self) -> Empty<Range<usize>> {
        match self.0 {}
    }

    /// Never called.
    pub fn odd(&self) -> Empty<(usize, Range<usize>)> {
        match self.0 {}
    }
}
