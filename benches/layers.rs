//! What do batches cost that go through layers? `src/bench/layers.rs` says against what.

mod drive;

fn main() {
    drive::ask(hogback::bench::Question::Layers);
}
