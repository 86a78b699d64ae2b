//! Dates of the proleptic Gregorian calendar in UTC, and ISO weeks.

pub(super) const DAY_MILLIS: i64 = 86_400_000;
/// The most milliseconds before or after 1970 that a date may have, as in JavaScript.
pub(super) const MILLIS_MAX: f64 = 8.64e15;

/// A point in time, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub millis: i64,
    pub year: i64,
    /// 0 is January.
    pub month: i64,
    pub day: i64,
}

/// Days from 1970 to the first of a month; months beyond a year count on.
pub(super) fn days_to(year: i64, month: i64) -> i64 {
    let year = year + month.div_euclid(12);
    let month = month.rem_euclid(12) + 1;
    // Years start in March, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

impl Moment {
    pub fn of(millis: i64) -> Moment {
        let days = millis.div_euclid(DAY_MILLIS);
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day = shifted.rem_euclid(146_097);
        let year_of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let year = era * 400 + year_of_era + i64::from(month >= 10);
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        Moment { millis, year, month: (month + 2) % 12, day }
    }

    fn days(self) -> i64 {
        self.millis.div_euclid(DAY_MILLIS)
    }

    fn of_day(self, unit: i64, count: i64) -> i64 {
        self.millis.rem_euclid(DAY_MILLIS) / unit % count
    }

    /// Monday is 1.
    fn weekday(self) -> i64 {
        weekday(self.days())
    }

    /// The number a component of a picture stands for; `P`: 1 is pm.
    pub fn component(self, component: char) -> i64 {
        match component {
            'Y' => self.year,
            'M' => self.month + 1,
            'D' => self.day,
            'd' => self.days() - days_to(self.year, 0) + 1,
            'F' => self.weekday(),
            'W' => week(self.days(), self.year, 0, 12, 52),
            'w' => week(self.days(), self.year, self.month, 1, 4),
            'X' => self.week_year(),
            'x' => self.week_month(),
            'H' => self.of_day(3_600_000, 24),
            'h' => (self.of_day(3_600_000, 24) + 11) % 12 + 1,
            'P' => i64::from(self.of_day(3_600_000, 24) >= 12),
            'm' => self.of_day(60_000, 60),
            's' => self.of_day(1_000, 60),
            'f' => self.of_day(1, 1_000),
            _ => 0,
        }
    }

    /// The year that the week belongs to.
    fn week_year(self) -> i64 {
        let days = self.days();
        if days < first_week(self.year, 0) {
            self.year - 1
        } else if days >= first_week(self.year + 1, 0) {
            self.year + 1
        } else {
            self.year
        }
    }

    /// The month that the week belongs to.
    fn week_month(self) -> i64 {
        let days = self.days();
        let month = if days < first_week(self.year, self.month) {
            self.month - 1
        } else if days >= first_week(self.year, self.month + 1) {
            self.month + 1
        } else {
            self.month
        };
        month.rem_euclid(12) + 1
    }
}

fn weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

/// The day on which the first week begins that has most of its days in the month.
fn first_week(year: i64, month: i64) -> i64 {
    let first = days_to(year, month);
    match weekday(first) {
        weekday @ 5.. => first + 8 - weekday,
        weekday => first - (weekday - 1),
    }
}

/// The week within a period of so many months, which may belong to the one before or after.
fn week(days: i64, year: i64, month: i64, months: i64, last: i64) -> i64 {
    let number = |start: i64| (days - start).div_euclid(7) + 1;
    let week = number(first_week(year, month));
    if week > last && days >= first_week(year, month + months) {
        1
    } else if week < 1 {
        number(first_week(year, month - months))
    } else {
        week
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_there_and_back() {
        for days in (-800_000..800_000).step_by(97) {
            let moment = Moment::of(days * DAY_MILLIS + 1);
            assert_eq!(days_to(moment.year, moment.month) + moment.day - 1, days);
        }
        let moment = Moment::of(1_521_801_216_617);
        let parts: Vec<i64> = "YMDdFWwXxHhPmsf".chars().map(|c| moment.component(c)).collect();
        assert_eq!(parts, [2018, 3, 23, 82, 5, 12, 4, 2018, 3, 10, 10, 0, 33, 36, 617]);
    }
}
