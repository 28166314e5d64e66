//! Times of contenders that take turns.
//!
//! A busy machine slows all of one turn alike, so contenders are compared within each turn, and the
//! median over the turns leaves out the odd one.

use std::time::Duration;

/// The times of each contender, a turn after the other.
#[derive(Debug, Default)]
pub(super) struct Turns {
    contenders: Vec<(&'static str, Vec<f64>)>,
}

impl Turns {
    /// A contender had its turn.
    pub(super) fn add(&mut self, name: &'static str, took: Duration) {
        let seconds = took.as_secs_f64();
        eprintln!("  {name}: {seconds:.2} s");
        match self.contenders.iter_mut().find(|(known, _)| *known == name) {
            Some((_, times)) => times.push(seconds),
            None => self.contenders.push((name, vec![seconds])),
        }
    }

    /// Its median, in seconds; not a number when it had no turn.
    pub(super) fn median(&self, name: &str) -> f64 {
        median(self.times(name).to_vec())
    }

    /// How many times as long as another it took: the median over the turns.
    pub(super) fn ratio(&self, name: &str, other: &str) -> f64 {
        let pairs = self.times(name).iter().zip(self.times(other));
        median(pairs.map(|(a, b)| a / b).collect())
    }

    /// A table: each contender's median, range, and ratio to one of them.
    pub(super) fn table(&self, other: &str) -> Vec<Vec<String>> {
        let row = |(name, times): &(&'static str, Vec<f64>)| {
            let least = times.iter().copied().fold(f64::INFINITY, f64::min);
            let most = times.iter().copied().fold(0.0, f64::max);
            vec![
                (*name).to_owned(),
                format!("{:.2} s", self.median(name)),
                format!("{least:.2} – {most:.2} s"),
                format!("{:.2}", self.ratio(name, other)),
            ]
        };
        self.contenders.iter().map(row).collect()
    }

    fn times(&self, name: &str) -> &[f64] {
        self.contenders.iter().find(|(known, _)| *known == name).map_or(&[], |(_, times)| times)
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
            turns.add("a", Duration::from_secs(a));
            turns.add("b", Duration::from_secs(b));
        }
        assert!((turns.ratio("a", "b") - 0.5).abs() < 1e-9);
        assert!((turns.median("b") - 9.0).abs() < 1e-9);
        assert!(turns.ratio("a", "c").is_nan() && turns.median("c").is_nan());
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert!((median(vec![4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < 1e-9);
        assert!(median(Vec::new()).is_nan());
    }
}
