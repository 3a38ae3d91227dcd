//! How fast are the update rules? `src/bench/update_throughput.rs` says against what.

mod drive;

fn main() {
    drive::ask(hogback::bench::Question::UpdateThroughput);
}
