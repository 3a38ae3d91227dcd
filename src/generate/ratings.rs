//! Ratings: a user, an item, and half stars from ½ to 5, by their biases, eight factors and noise.

use super::random::{Effects, Random, Zipf};
use super::text::{Text, ten_thousandths, whole};
use super::{Planted, Sums};

/// The rows to make.
pub(super) struct Ratings {
    users: u64,
    items: u64,
    user_law: Zipf,
    item_law: Zipf,
    /// Of each user the bias and eight factors.
    user_effects: Effects<9>,
    item_effects: Effects<9>,
}

impl Ratings {
    pub(super) fn new(users: u64, items: u64) -> Self {
        Self {
            users,
            items,
            user_law: Zipf::new(users, 0.6),
            item_law: Zipf::new(items, 0.9),
            user_effects: Effects::new([1, 100, 101, 102, 103, 104, 105, 106, 107], users),
            item_effects: Effects::new([2, 200, 201, 202, 203, 204, 205, 206, 207], items),
        }
    }
}

impl Planted for Ratings {
    /// Where its random numbers begin.
    type Row = Random;
    const TEXTS: &'static [Text] = &[Text::Svm, Text::Vw, Text::Csv, Text::Mf, Text::Fm];

    fn header(&self, text: Text) -> &'static [u8] {
        if text == Text::Csv { b"user,item,rating\n" } else { b"" }
    }

    fn draw(&self, random: &mut Random) -> Random {
        let row = random.clone();
        random.skip(4);
        row
    }

    fn write(&self, row: &Random, out: &mut [(Text, Vec<u8>)]) -> Sums {
        let mut random = row.clone();
        let (user, item) = (self.user_law.rank(&mut random), self.item_law.rank(&mut random));
        let ([user_bias, of_user @ ..], [item_bias, of_item @ ..]) =
            (self.user_effects.of(user), self.item_effects.of(item));
        let mut mean = 3.5 + 0.4 * user_bias + 0.4 * item_bias;
        for (of_user, of_item) in of_user.into_iter().zip(of_item) {
            mean += 0.2 * of_user * of_item;
        }
        let halves = ((mean + 0.8 * random.normal()) * 2.0).round().clamp(1.0, 10.0);
        let rating = |out: &mut Vec<u8>| ten_thousandths(out, halves as u64 * 5000);
        for (text, out) in out {
            match text {
                Text::Mf => {
                    whole(out, user);
                    out.push(b' ');
                    whole(out, item);
                    out.push(b' ');
                    rating(out);
                    out.push(b'\n');
                }
                Text::Vw => {
                    rating(out);
                    out.extend_from_slice(b" |u ");
                    whole(out, user);
                    out.extend_from_slice(b" |i ");
                    whole(out, item);
                    out.push(b'\n');
                }
                Text::Csv => {
                    // Words, which numbers would not be.
                    out.push(b'u');
                    whole(out, user);
                    out.extend_from_slice(b",i");
                    whole(out, item);
                    out.push(b',');
                    rating(out);
                    out.push(b'\n');
                }
                _ => {
                    let first = u64::from(*text == Text::Svm);
                    rating(out);
                    out.push(b' ');
                    whole(out, first + user);
                    out.extend_from_slice(b":1 ");
                    whole(out, first + self.users + item);
                    out.extend_from_slice(b":1\n");
                }
            }
        }
        [(halves / 2.0 - mean.clamp(0.5, 5.0)).powi(2), 0.0, 0.0, 0.0, 0.0]
    }

    fn report(&self, rows: u64, [squares, ..]: Sums) -> String {
        let rmse = (squares / rows as f64).sqrt();
        format!("users={} items={} rows={rows} rmse_of_planted_mean={rmse:.4}", self.users, self.items)
    }
}
