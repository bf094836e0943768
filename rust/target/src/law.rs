//! Laws of delay: how long the n-th request takes, as a pure function; must not know a clock or a state.
//!
//! Anybody can recompute every draw from the seed and the number of the request (from 1) on its
//! path and query:
//!
//! ```text
//! mix(z)      = the finaliser of SplitMix64
//! hash(s, n)  = mix(mix(s) + n * 0x9E3779B97F4A7C15)         modulo 2^64
//! u(s, n)     = ((hash(s, n) >> 11) + 1) / 2^53              in (0, 1]
//! exponential = round(-mean_ns * ln u)                       mean_ns, sd mean_ns
//! bimodal     = slow_ns if n is a multiple of `every`, else fast_ns
//! ```

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
const TWO_TO_53: f64 = 9_007_199_254_740_992.0;

/// How long a request takes, all times in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Law {
    Fixed { span_ns: u64 },
    Exponential { mean_ns: u64, seed: u64 },
    Bimodal { fast_ns: u64, slow_ns: u64, every: u64 },
}

impl Law {
    /// The time that request `number` (from 1) takes.
    pub(crate) fn draw_ns(self, number: u64) -> u64 {
        match self {
            Law::Fixed { span_ns } => span_ns,
            Law::Exponential { mean_ns, seed } => (-(mean_ns as f64) * libm::log(uniform(seed, number))).round() as u64,
            Law::Bimodal { slow_ns, every, .. } if number.is_multiple_of(every) => slow_ns,
            Law::Bimodal { fast_ns, .. } => fast_ns,
        }
    }
}

/// A number in (0, 1], never 0: its logarithm must be finite.
pub(crate) fn uniform(seed: u64, number: u64) -> f64 {
    ((hash(seed, number) >> 11) + 1) as f64 / TWO_TO_53
}

pub(crate) fn hash(seed: u64, number: u64) -> u64 {
    mix(mix(seed).wrapping_add(number.wrapping_mul(GOLDEN)))
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEAN_NS: u64 = 1_000_000;

    fn draws(seed: u64, count: u64) -> Vec<u64> {
        let law = Law::Exponential { mean_ns: MEAN_NS, seed };
        (1..=count).map(|number| law.draw_ns(number)).collect()
    }

    #[test]
    fn the_mixer_is_the_published_one() {
        // The first outputs of SplitMix64 started at 0 are the mixed multiples of its constant.
        assert_eq!(mix(GOLDEN), 0xE220_A839_7B1D_CDAF);
        assert_eq!(mix(GOLDEN.wrapping_mul(2)), 0x6E78_9E6A_A1B9_65F4);
        assert_eq!(mix(GOLDEN.wrapping_mul(3)), 0x06C4_5D18_8009_454F);
    }

    #[test]
    fn exponential_quantiles_lie_within_four_standard_errors() {
        let count = 200_000_u64;
        let mut sample = draws(7, count);
        sample.sort_unstable();
        for p in [0.1_f64, 0.5, 0.9, 0.99, 0.999] {
            let expected = -(MEAN_NS as f64) * (1.0 - p).ln();
            let standard_error = MEAN_NS as f64 * (p / ((1.0 - p) * count as f64)).sqrt();
            let seen = sample[(p * count as f64) as usize] as f64;
            assert!((seen - expected).abs() < 4.0 * standard_error, "p {p}: {seen} against {expected}");
        }
    }

    #[test]
    fn a_seed_repeats_its_draws_and_another_seed_has_others() {
        assert_eq!(draws(1, 100), draws(1, 100));
        let shared = draws(1, 100).iter().zip(draws(2, 100)).filter(|(a, b)| **a == *b).count();
        assert_eq!(shared, 0);
    }

    #[test]
    fn every_third_request_is_slow_and_the_third_is_the_first_slow_one() {
        let law = Law::Bimodal { fast_ns: 1, slow_ns: 9, every: 3 };
        let drawn: Vec<u64> = (1..=7).map(|number| law.draw_ns(number)).collect();
        assert_eq!(drawn, [1, 1, 9, 1, 1, 9, 1]);
    }
}
