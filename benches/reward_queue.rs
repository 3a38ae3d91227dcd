//! What does it cost to hand R and tasks over? `src/bench/reward_queue.rs` says against what.

mod drive;

fn main() {
    drive::ask(hogback::bench::Question::RewardQueue);
}
