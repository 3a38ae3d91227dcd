//! How fast is a copy of Θ? `src/bench/snapshot.rs` says against what.

mod drive;

fn main() {
    drive::ask(hogback::bench::Question::Snapshot);
}
