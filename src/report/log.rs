//! The run as JSON lines, for scripts.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::error::{Error, Result};

/// Writes one JSON object a line: `{"event":"start",…}`, `{"event":"pass",…}`, `{"event":"summary",…}`.
///
/// A reader that goes away ends the log, not the run.
pub struct RunLog(Mutex<Option<Box<dyn Write + Send>>>);

#[derive(Serialize)]
struct Event<'a, T> {
    event: &'a str,
    #[serde(flatten)]
    fields: &'a T,
}

impl RunLog {
    /// A log on stdout.
    pub fn stdout() -> Self {
        Self::to(io::stdout())
    }

    /// A log nobody asked for: nothing is written.
    pub fn off() -> Self {
        Self(Mutex::new(None))
    }

    fn to(out: impl Write + Send + 'static) -> Self {
        Self(Mutex::new(Some(Box::new(out))))
    }

    /// Writes `fields`, a struct or a map, as one line that begins with the name of the event. Numbers that are not
    /// finite become null.
    ///
    /// # Errors
    /// [`Error::Io`] where stdout cannot be written for any reason but a closed pipe.
    pub fn event(&self, event: &str, fields: &impl Serialize) -> Result<()> {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(writer) = out.as_mut() else { return Ok(()) };
        let written = serde_json::to_vec(&Event { event, fields }).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            writer.write_all(&line)?;
            writer.flush()
        });
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                *out = None;
                Ok(())
            }
            written => written.map_err(|error| Error::io("standard output", "write", error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use serde_json::json;

    use super::super::kept::Kept;
    use super::*;

    /// Fails every write, and counts them.
    struct Failing(Arc<AtomicUsize>, io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.0.fetch_add(1, Relaxed);
            Err(self.1.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn events_are_lines_in_order_with_their_name_first() {
        let kept = Kept::default();
        let log = RunLog::to(kept.clone());
        log.event("start", &json!({"rows": 3, "kind": "linear"})).unwrap();
        log.event(
            "pass",
            &crate::report::metrics::Metrics { rmse: Some(0.5), mae: Some(f64::NAN), ..Default::default() },
        )
        .unwrap();
        assert_eq!(
            kept.text(),
            "{\"event\":\"start\",\"rows\":3,\"kind\":\"linear\"}\n{\"event\":\"pass\",\"rmse\":0.5,\"mae\":null}\n"
        );
    }

    #[test]
    fn a_closed_pipe_ends_the_log_and_nothing_else() {
        let writes = Arc::new(AtomicUsize::new(0));
        let log = RunLog::to(Failing(Arc::clone(&writes), io::ErrorKind::BrokenPipe));
        for _ in 0..3 {
            log.event("pass", &json!({})).unwrap();
        }
        assert_eq!(writes.load(Relaxed), 1);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let log = RunLog::to(Failing(Arc::default(), io::ErrorKind::StorageFull));
        let error = log.event("summary", &json!({})).unwrap_err();
        assert!(error.to_string().starts_with("standard output: cannot write: "), "{error}");
    }
}
