//! What a person sees on stderr while a model trains: a table of passes and, on a terminal, one live line below it.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use serde::Serialize;

use super::format::{bar, count, duration, percent, prefixed, rate};
use super::metrics::Metrics;

/// How often a plain log says how far a pass is, in seconds.
const PLAIN_EVERY: f64 = 10.0;
/// How wide the bar is, in signs.
const BAR: usize = 10;

/// Who is watching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressMode {
    /// Nobody: nothing is written.
    Quiet,
    /// A file or a pipe: plain lines.
    Plain,
    /// A person at a terminal: plain lines above one that moves.
    Live,
}

impl ProgressMode {
    /// The mode for this process's stderr. A dumb terminal is served as a pipe is.
    pub fn detect(quiet: bool) -> Self {
        match (quiet, ProgressDrawTarget::stderr().is_hidden()) {
            (true, _) => Self::Quiet,
            (_, true) => Self::Plain,
            _ => Self::Live,
        }
    }
}

/// A pass under way.
#[derive(Clone, Copy, Debug)]
pub struct Live {
    /// Which pass, from 1.
    pub pass: usize,
    /// How many passes there are to be.
    pub passes: usize,
    /// How many rows this pass has learned.
    pub rows: u64,
    /// How many it will learn, where that is known.
    pub rows_in_pass: Option<u64>,
    /// How many nonzeros it has learned.
    pub nonzeros: u64,
    /// How long it has been running.
    pub seconds: f64,
    /// Its progressive metrics so far.
    pub progressive: Metrics,
    /// The held-out metrics of the last pass that has any.
    pub valid: Option<Metrics>,
}

/// A pass that is done; also the fields of its line in the run log.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PassLine {
    /// Which pass, from 1.
    pub pass: usize,
    /// How many rows it learned.
    pub rows: u64,
    /// How long it took.
    pub seconds: f64,
    /// Its progressive metrics.
    pub progressive: Metrics,
    /// The held-out metrics after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<Metrics>,
    /// True where no pass so far has better held-out metrics.
    pub best: bool,
}

/// Writes notices, the table of passes and the live line to stderr.
///
/// Nothing here fails: a run does not stop because nobody can watch it.
pub struct Progress {
    out: Out,
    has_header: AtomicBool,
}

enum Out {
    Quiet,
    Plain(Mutex<Plain>),
    /// The live line, from the first update on.
    Live(OnceLock<ProgressBar>),
}

struct Plain {
    out: Box<dyn Write + Send>,
    /// The pass, or other part of a run, that was last told of, and how many seconds of it had gone.
    told: (usize, f64),
}

impl Progress {
    /// A progress display on stderr.
    pub fn new(mode: ProgressMode) -> Self {
        match mode {
            ProgressMode::Quiet => Self::on(Out::Quiet),
            ProgressMode::Plain => Self::plain(io::stderr()),
            ProgressMode::Live => Self::on(Out::Live(OnceLock::new())),
        }
    }

    fn plain(out: impl Write + Send + 'static) -> Self {
        Self::on(Out::Plain(Mutex::new(Plain { out: Box::new(out), told: (0, 0.0) })))
    }

    fn on(out: Out) -> Self {
        Self { out, has_header: AtomicBool::new(false) }
    }

    /// Writes a line that stays, such as `warning: …` or `note: …`.
    pub fn notice(&self, text: &str) {
        match &self.out {
            Out::Quiet => {}
            Out::Plain(plain) => plain.lock().unwrap_or_else(PoisonError::into_inner).line(text),
            Out::Live(live) => match live.get() {
                Some(live) => live.println(text),
                None => to_stderr(text),
            },
        }
    }

    /// Shows on a terminal what is going on before the first pass.
    pub fn doing(&self, text: &str) {
        if let Out::Live(live) = &self.out {
            live.get_or_init(live_line).set_message(text.to_owned());
        }
    }

    /// Shows how far a pass is: at once on a terminal (which is redrawn at most 20 times a second), every 10 seconds of a
    /// pass elsewhere.
    pub fn update(&self, pass: &Live) {
        self.moving(pass.pass, pass.seconds, || pass.text());
    }

    /// Shows `text` in the place of what was shown before: at once on a terminal, every 10 of the `seconds` that part number `part` of the
    /// run has taken elsewhere.
    pub fn moving(&self, part: usize, seconds: f64, text: impl FnOnce() -> String) {
        match &self.out {
            Out::Quiet => {}
            Out::Plain(plain) => plain.lock().unwrap_or_else(PoisonError::into_inner).moving(part, seconds, text),
            Out::Live(live) => live.get_or_init(live_line).set_message(text()),
        }
    }

    /// Writes the line of a pass that is done; before the first one, the header of the table.
    pub fn pass(&self, pass: &PassLine) {
        if !self.has_header.swap(true, Relaxed) {
            self.notice(pass.header());
        }
        self.notice(&pass.text());
    }

    /// Takes the live line away; dropping the display does so too.
    pub fn finish(&self) {
        if let Out::Live(live) = &self.out
            && let Some(live) = live.get()
        {
            live.finish_and_clear();
        }
    }
}

impl Plain {
    fn line(&mut self, text: &str) {
        // Where stderr is gone there is nobody left to tell.
        let _ = writeln!(self.out, "{text}");
    }

    fn moving(&mut self, part: usize, seconds: f64, text: impl FnOnce() -> String) {
        let since = if self.told.0 == part { self.told.1 } else { 0.0 };
        if seconds - since >= PLAIN_EVERY {
            self.told = (part, seconds);
            self.line(&text());
        }
    }
}

impl Live {
    /// The pass in one line, what matters most first: a narrow terminal cuts the end off.
    fn text(&self) -> String {
        let mut text = format!("pass {}/{}  ", self.pass, self.passes);
        match self.rows_in_pass {
            Some(all) => text += &bar(self.rows as f64 / all as f64, BAR),
            None => text += &format!("{} rows", count(self.rows)),
        }
        if let Some(seconds) = self.left() {
            text += &format!("  {} left", duration(seconds));
        }
        for (name, metrics) in [("train", Some(self.progressive)), ("valid", self.valid)] {
            let metrics = metrics.unwrap_or_default();
            if let Some(loss) = metrics.logloss.or(metrics.rmse).or(metrics.loss) {
                text += &format!("  {name} {loss:.4}");
            }
            if let Some(share) = metrics.accuracy {
                text += &format!(" {}", percent(share));
            }
        }
        if self.seconds > 0.0 {
            text += &format!("  {}", rate(self.rows as f64 / self.seconds, "rows"));
            text += &format!("  {}", rate(self.nonzeros as f64 / self.seconds, "nonzeros"));
        }
        text
    }

    /// The seconds that this pass and those to come will take if they go on like this.
    fn left(&self) -> Option<f64> {
        let all = self.rows_in_pass? as f64;
        let passes = self.passes.saturating_sub(self.pass) as f64;
        let rows = (all - self.rows as f64).max(0.0) + passes * all;
        (self.rows > 0 && self.seconds > 0.0).then(|| rows / self.rows as f64 * self.seconds)
    }
}

impl PassLine {
    fn header(&self) -> &'static str {
        let Metrics { rmse, mae, loss, .. } = self.progressive;
        match (rmse, mae, loss) {
            (Some(_), ..) => "pass           rows   train rmse   valid rmse    valid mae   rows/s  seconds",
            (_, Some(_), _) => "pass           rows   train loss   valid loss    valid mae   rows/s  seconds",
            (.., Some(_)) => "pass           rows     train loss     valid loss  accuracy   rows/s  seconds",
            _ => "pass           rows  train logloss  valid logloss  accuracy   rows/s  seconds",
        }
    }

    fn text(&self) -> String {
        let PassLine { pass, rows, seconds, progressive, valid, best } = self;
        let valid = valid.unwrap_or_default();
        let number = |number: Option<f64>| number.map_or_else(|| "-".into(), figures);
        let loss = |metrics: &Metrics| number(metrics.logloss.or(metrics.rmse).or(metrics.loss));
        let metrics = if progressive.mae.is_some() {
            format!("{:>11}  {:>11}  {:>11}", loss(progressive), loss(&valid), number(valid.mae))
        } else {
            let accuracy = valid.accuracy.map_or_else(|| "-".into(), percent);
            format!("{:>13}  {:>13}  {accuracy:>8}", loss(progressive), loss(&valid))
        };
        let rate = if *seconds > 0.0 { prefixed(*rows as f64 / seconds) } else { "-".into() };
        let best = if *best { "  *" } else { "" };
        format!("{pass:>4}  {:>13}  {metrics}  {rate:>7}  {seconds:>7.2}{best}", count(*rows))
    }
}

/// `number` with as many decimals as say something.
fn figures(number: f64) -> String {
    let decimals = match number.abs() {
        n if n < 100.0 => 6,
        n if n < 10_000.0 => 4,
        _ => 1,
    };
    format!("{number:.decimals$}")
}

/// A live line that shows its message, cut to the width of the terminal.
fn live_line() -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::no_length().with_style(style).with_finish(ProgressFinish::AndClear)
}

fn to_stderr(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::super::kept::Kept;
    use super::*;

    fn class(logloss: f64, accuracy: f64) -> Metrics {
        Metrics { logloss: Some(logloss), accuracy: Some(accuracy), ..Metrics::default() }
    }

    /// The lines that `work` writes to something that is no terminal.
    fn plain(work: impl FnOnce(&Progress)) -> String {
        let kept = Kept::default();
        let progress = Progress::plain(kept.clone());
        work(&progress);
        progress.finish();
        kept.text()
    }

    const LIVE: Live = Live {
        pass: 2,
        passes: 5,
        rows: 9_000_000,
        rows_in_pass: Some(20_000_000),
        nonzeros: 360_000_000,
        seconds: 9.0,
        progressive: Metrics {
            logloss: Some(0.342_11),
            loss: None,
            auc: None,
            accuracy: Some(0.8512),
            macro_f1: None,
            rmse: None,
            mae: None,
        },
        valid: None,
    };

    #[test]
    fn the_table_of_a_classifier() {
        let text = plain(|progress| {
            progress.notice("note: no cache");
            let (progressive, valid) = (class(0.372_914_2, 0.83), Some(class(0.334_518, 0.846_13)));
            progress.pass(&PassLine { pass: 1, rows: 29_305, seconds: 0.0238, progressive, valid, best: true });
            let (progressive, valid) = (class(0.33, 0.85), Some(class(12.5, 1.0)));
            progress.pass(&PassLine { pass: 2, rows: 1_234_567_890, seconds: 1003.7, progressive, valid, best: false });
            progress.pass(&PassLine { pass: 10, rows: 0, seconds: 0.0, progressive, valid: None, best: false });
        });
        assert_eq!(
            text,
            "\
note: no cache
pass           rows  train logloss  valid logloss  accuracy   rows/s  seconds
   1         29,305       0.372914       0.334518    84.61%   1.23 M     0.02  *
   2  1,234,567,890       0.330000      12.500000   100.00%   1.23 M  1003.70
  10              0       0.330000              -         -        -     0.00
"
        );
    }

    #[test]
    fn the_table_of_a_regression() {
        let text = plain(|progress| {
            let progressive = Metrics { rmse: Some(1.25), mae: Some(1.0), ..Metrics::default() };
            let valid = Some(Metrics { rmse: Some(0.98), mae: Some(0.75), ..Metrics::default() });
            progress.pass(&PassLine { pass: 1, rows: 2_000, seconds: 2.0, progressive, valid, best: true });
            let progressive = Metrics { rmse: Some(4321.125), mae: Some(1.0), ..Metrics::default() };
            let valid = Some(Metrics { rmse: Some(98_765.125), mae: Some(1_234_567.9), ..Metrics::default() });
            progress.pass(&PassLine { pass: 2, rows: 2_000, seconds: 2.0, progressive, valid, best: false });
        });
        assert_eq!(
            text,
            "\
pass           rows   train rmse   valid rmse    valid mae   rows/s  seconds
   1          2,000     1.250000     0.980000     0.750000   1.00 k     2.00  *
   2          2,000    4321.1250      98765.1    1234567.9   1.00 k     2.00
"
        );
    }

    #[test]
    fn a_pass_under_way_is_one_line() {
        assert_eq!(
            LIVE.text(),
            "pass 2/5  [####------]  1 m 11 s left  train 0.3421 85.12%  1.00 M rows/s  40.0 M nonzeros/s"
        );
        let unknown = Live { rows_in_pass: None, seconds: 0.0, valid: Some(class(0.5, 0.75)), ..LIVE };
        assert_eq!(unknown.text(), "pass 2/5  9,000,000 rows  train 0.3421 85.12%  valid 0.5000 75.00%");
    }

    #[test]
    fn a_plain_log_hears_of_a_long_pass_every_ten_seconds() {
        let text = plain(|progress| {
            for tenth in 0..=250 {
                progress.update(&Live { seconds: f64::from(tenth) / 10.0, ..LIVE });
            }
            progress.update(&Live { pass: 3, seconds: 9.9, ..LIVE });
            progress.update(&Live { pass: 3, seconds: 10.0, ..LIVE });
        });
        let passes: Vec<&str> = text.lines().map(|line| &line[..8]).collect();
        assert_eq!(passes, ["pass 2/5", "pass 2/5", "pass 3/5"]);
        assert!(!text.contains(['\r', '\x1b']), "{text:?}");
    }

    #[test]
    fn a_pass_line_is_also_an_event() {
        let pass = PassLine { pass: 1, rows: 8, seconds: 0.5, progressive: class(0.5, 0.75), valid: None, best: true };
        assert_eq!(
            serde_json::to_string(&pass).unwrap(),
            r#"{"pass":1,"rows":8,"seconds":0.5,"progressive":{"logloss":0.5,"accuracy":0.75},"best":true}"#
        );
    }
}
