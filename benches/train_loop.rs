//! What is left of the row loop's speed in a pass, and what does a second child add? `src/bench/train_loop.rs` says against what.

mod drive;

fn main() {
    drive::ask(hogback::bench::Question::TrainLoop);
}
