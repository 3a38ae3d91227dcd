//! What do models with factors cost beside the bytes of the rows they touch? `src/bench/factors.rs` says against what.

mod drive;

fn main() {
    drive::ask(hogback::bench::Question::Factors);
}
