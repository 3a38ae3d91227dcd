//! How fast is reading? `src/bench/ingest.rs` says against what.

mod drive;

fn main() {
    drive::ask(hogback::bench::Question::Ingest);
}
