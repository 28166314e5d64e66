//! Times of contenders that take turns.
//!
//! A busy machine slows all of one turn alike, so contenders are compared within each turn, and the
//! median over the turns leaves out the odd one. Processor time, of the server and the program
//! together, hardly depends on who else is at work.

use std::time::{Duration, Instant};

use lifeboat_testkit::Neo4j;

use super::child::{self, Usage};

/// The times of each contender, a turn after the other.
#[derive(Debug, Default)]
pub(super) struct Turns {
    contenders: Vec<Contender>,
}

#[derive(Debug)]
struct Contender {
    name: &'static str,
    /// Seconds from begin to end.
    times: Vec<f64>,
    /// Seconds of processor time, of the server and of the program.
    processor: Vec<f64>,
}

/// The head of [`Turns::table`].
pub(super) const HEAD: [&str; 6] = ["", "median", "range", "ratio", "processor time", "its ratio"];

/// A turn that is going on.
#[derive(Debug)]
pub(super) struct Turn {
    began: Instant,
    server: Option<u32>,
    processor: Duration,
}

impl Turn {
    /// Begins. What a server that runs does from now on counts, and every program that runs to its
    /// end.
    pub(super) fn begin(server: Option<&Neo4j>) -> Self {
        let server = server.and_then(Neo4j::pid);
        Self { began: Instant::now(), server, processor: processor(server) }
    }

    /// Ends.
    pub(super) fn end(self, turns: &mut Turns, name: &'static str) {
        let took = self.began.elapsed();
        turns.add(name, took, processor(self.server).saturating_sub(self.processor));
    }
}

fn processor(server: Option<u32>) -> Duration {
    let server = server.and_then(Usage::of).unwrap_or_default();
    server.processor + child::ended()
}

impl Turns {
    fn add(&mut self, name: &'static str, took: Duration, processor: Duration) {
        let (seconds, processor) = (took.as_secs_f64(), processor.as_secs_f64());
        eprintln!("  {name}: {seconds:.2} s, {processor:.2} s of processor time");
        let index = self.contenders.iter().position(|known| known.name == name);
        let index = index.unwrap_or_else(|| {
            self.contenders.push(Contender { name, times: Vec::new(), processor: Vec::new() });
            self.contenders.len() - 1
        });
        self.contenders[index].times.push(seconds);
        self.contenders[index].processor.push(processor);
    }

    /// Its median, in seconds; not a number when it had no turn.
    pub(super) fn median(&self, name: &str) -> f64 {
        median(self.of(name).map_or(Vec::new(), |contender| contender.times.clone()))
    }

    /// How many times as long as another it took: the median over the turns.
    pub(super) fn ratio(&self, name: &str, other: &str) -> f64 {
        self.ratio_by(name, other, |contender| &contender.times)
    }

    /// A table: each contender's times, and their ratios to those of one of them.
    pub(super) fn table(&self, other: &str) -> Vec<Vec<String>> {
        let row = |contender: &Contender| {
            let Contender { name, times, processor } = contender;
            let least = times.iter().copied().fold(f64::INFINITY, f64::min);
            let most = times.iter().copied().fold(0.0, f64::max);
            vec![
                (*name).to_owned(),
                format!("{:.2} s", self.median(name)),
                format!("{least:.2} – {most:.2} s"),
                format!("{:.2}", self.ratio(name, other)),
                format!("{:.2} s", median(processor.clone())),
                format!("{:.2}", self.ratio_by(name, other, |contender| &contender.processor)),
            ]
        };
        self.contenders.iter().map(row).collect()
    }

    fn ratio_by(&self, name: &str, other: &str, by: impl Fn(&Contender) -> &[f64]) -> f64 {
        let (Some(one), Some(other)) = (self.of(name), self.of(other)) else { return f64::NAN };
        median(by(one).iter().zip(by(other)).map(|(a, b)| a / b).collect())
    }

    fn of(&self, name: &str) -> Option<&Contender> {
        self.contenders.iter().find(|contender| contender.name == name)
    }
}

/// The middle of some numbers, or the mean of the middle two; not a number when there are none.
pub(super) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let (Some(a), Some(b)) =
        (numbers.get(numbers.len().saturating_sub(1) / 2), numbers.get(numbers.len() / 2))
    else {
        return f64::NAN;
    };
    f64::midpoint(*a, *b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_turn() {
        let mut turns = Turns::default();
        for (a, b) in [(1, 2), (10, 20), (4, 9)] {
            turns.add("a", Duration::from_secs(a), Duration::from_secs(b));
            turns.add("b", Duration::from_secs(b), Duration::from_secs(b));
        }
        assert!((turns.ratio("a", "b") - 0.5).abs() < 1e-9);
        assert!((turns.median("b") - 9.0).abs() < 1e-9);
        let row = &turns.table("b")[0];
        assert_eq!(row[1..], ["4.00 s", "1.00 – 10.00 s", "0.50", "9.00 s", "1.00"]);
        assert!(turns.ratio("a", "c").is_nan() && turns.median("c").is_nan());
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert!((median(vec![4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < 1e-9);
        assert!(median(Vec::new()).is_nan());
    }
}
