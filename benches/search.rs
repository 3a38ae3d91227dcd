//! What does a search cost beside its children? `src/bench/search.rs` says against what.

mod drive;

fn main() {
    drive::ask(hogback::bench::Question::Search);
}
