//! Due times by the calendar, where clocks are set and where days do not exist.

use std::time::Duration;

use jiff::civil::date;
use jiff::tz::{self, TimeZone};
use jiff::{Timestamp, ToSpan};
use tenure::machine::JobName;
use tenure::schedulers::cron::{Change, Gap, Overlap};
use tenure::schedulers::{Cron, Schedule};
use tenure::time::Wall;

const NEW_YORK: &str = "America/New_York";
const CAIRO: &str = "Africa/Cairo";
const APIA: &str = "Pacific/Apia";
const LORD_HOWE: &str = "Australia/Lord_Howe";

/// No two dates between which clocks are looked at lie further apart.
const YEARS: std::ops::RangeInclusive<i16> = 2024..=2037;

fn job() -> JobName {
    JobName::new("job").unwrap()
}

fn cron(text: &str, zone: &str) -> Cron {
    Cron::new(text, &job(), TimeZone::get(zone).unwrap()).unwrap()
}

fn wall(moment: Timestamp) -> Wall {
    Wall::from_nanos(moment.as_nanosecond().try_into().unwrap())
}

fn moment(wall: Wall) -> Timestamp {
    Timestamp::from_nanosecond(wall.as_nanos().into()).unwrap()
}

/// The due times of the `days` from a day on, as civil times with their offset from UTC.
fn due(cron: &Cron, zone: &str, (year, month, day): (i16, i8, i8), days: i64) -> Vec<String> {
    let begin = date(year, month, day).at(0, 0, 0, 0).to_zoned(TimeZone::get(zone).unwrap()).unwrap();
    let end = begin.checked_add(days.days()).unwrap().timestamp();
    let mut last = wall(begin.timestamp() - 1.second());
    let mut found = Vec::new();
    while let Some(next) = cron.next(last).filter(|next| moment(*next) < end) {
        found.push(moment(next).to_zoned(begin.time_zone().clone()).strftime("%d %H:%M%:z").to_string());
        last = next;
    }
    found
}

#[test]
fn a_time_that_the_clock_jumps_over_runs_when_it_has_jumped_or_not_at_all() {
    // Clocks go from 02:00 to 03:00 on the 8th of March.
    let march = |cron: &Cron| due(cron, NEW_YORK, (2026, 3, 8), 1);
    assert_eq!(march(&cron("30 2 * * *", NEW_YORK)), ["08 03:00-04:00"]);
    assert_eq!(march(&cron("0,30 2 * * *", NEW_YORK)), ["08 03:00-04:00"]);
    assert_eq!(march(&cron("30 2,14 * * *", NEW_YORK)), ["08 03:00-04:00", "08 14:30-04:00"]);
    assert_eq!(march(&cron("30 2,14 * * *", NEW_YORK).with_gap(Gap::Skip)), ["08 14:30-04:00"]);
    assert_eq!(march(&cron("0 2,3 * * *", NEW_YORK)), ["08 03:00-04:00"]);
    assert_eq!(march(&cron("15 */2 * * *", NEW_YORK)).len(), 11);
    assert_eq!(march(&cron("15 */2 * * *", NEW_YORK).with_gap(Gap::RunAfter)).len(), 12);
    assert_eq!(march(&cron("*/30 1-3 * * *", NEW_YORK)).len(), 4);
}

#[test]
fn a_time_that_the_clock_shows_twice_runs_the_first_time_or_both() {
    // Clocks go from 02:00 to 01:00 on the 1st of November.
    let november = |cron: &Cron| due(cron, NEW_YORK, (2026, 11, 1), 1);
    assert_eq!(november(&cron("30 1 * * *", NEW_YORK)), ["01 01:30-04:00"]);
    assert_eq!(november(&cron("0,30 1 * * *", NEW_YORK)), ["01 01:00-04:00", "01 01:30-04:00"]);
    let both = cron("30 1 * * *", NEW_YORK).with_overlap(Overlap::Both);
    assert_eq!(november(&both), ["01 01:30-04:00", "01 01:30-05:00"]);
    let half_hours = november(&cron("*/30 * * * *", NEW_YORK));
    assert_eq!(half_hours[2..6], ["01 01:00-04:00", "01 01:30-04:00", "01 01:00-05:00", "01 01:30-05:00"]);
    assert_eq!(november(&cron("*/30 1 * * *", NEW_YORK).with_overlap(Overlap::First)).len(), 2);
}

#[test]
fn midnight_is_due_where_it_does_not_exist() {
    // Clocks go from midnight to 01:00 on the 24th of April, and back at midnight on the 30th of October.
    assert_eq!(due(&cron("0 0 * * *", CAIRO), CAIRO, (2026, 4, 23), 2), ["23 00:00+02:00", "24 01:00+03:00"]);
    let late = due(&cron("30 23 * * *", CAIRO), CAIRO, (2026, 10, 29), 2);
    assert_eq!(late, ["29 23:30+03:00", "30 23:30+02:00"]);
}

#[test]
fn a_day_that_does_not_exist_stops_nothing() {
    // Samoa went from the 29th of December 2011 to the 31st.
    let noon = |cron: &Cron| due(cron, APIA, (2011, 12, 29), 4);
    let (made_up, left_out) = ("31 00:00+14:00", "31 12:00+14:00");
    assert_eq!(noon(&cron("0 12 * * *", APIA)), ["29 12:00-10:00", made_up, left_out, "01 12:00+14:00"]);
    let skipping = cron("0 12 * * *", APIA).with_gap(Gap::Skip);
    assert_eq!(noon(&skipping), ["29 12:00-10:00", left_out, "01 12:00+14:00"]);
    assert_eq!(due(&cron("0 12 30 12 *", APIA), APIA, (2011, 12, 29), 3), [made_up]);
}

#[test]
fn clocks_that_are_set_by_half_an_hour_are_no_special_case() {
    // From 02:00 to 02:30 on the 4th of October, from 02:00 to 01:30 on the 5th of April.
    assert_eq!(due(&cron("15 2 * * *", LORD_HOWE), LORD_HOWE, (2026, 10, 4), 1), ["04 02:30+11:00"]);
    assert_eq!(due(&cron("45 1 * * *", LORD_HOWE), LORD_HOWE, (2026, 4, 5), 1), ["05 01:45+11:00"]);
    let quarters = due(&cron("45 * * * *", LORD_HOWE), LORD_HOWE, (2026, 4, 5), 1);
    assert_eq!(quarters[1..3], ["05 01:45+11:00", "05 01:45+10:30"]);
}

#[test]
fn cron_means_what_it_has_always_meant() {
    let days = |text| due(&cron(text, "UTC"), "UTC", (2026, 6, 1), 30).join(" ").replace(" 00:00+00:00", "");
    assert_eq!(days("0 0 * * 1"), "01 08 15 22 29");
    assert_eq!(days("0 0 * * MON"), "01 08 15 22 29");
    assert_eq!(days("0 0 * * 7"), "07 14 21 28");
    assert_eq!(days("0 0 13 * FRI"), "05 12 13 19 26");
    assert_eq!(days("0 0 L * *"), "30");
    assert_eq!(days("0 0 13W * *"), "12");
    assert_eq!(days("0 0 * JUN MON#2"), "08");
    assert_eq!(days("@weekly"), "07 14 21 28");
    assert_eq!(due(&cron("*/20 59 23 * * *", "UTC"), "UTC", (2026, 6, 1), 1).len(), 3);
    assert_eq!(due(&cron("0 0 29 2 *", "UTC"), "UTC", (2026, 6, 1), 366 * 3), ["29 00:00+00:00"]);
}

#[test]
fn a_hashed_value_is_always_the_same_for_one_job_and_spread_over_many() {
    let first = |text: &str, name: &str| {
        let cron = Cron::new(text, &JobName::new(name).unwrap(), TimeZone::UTC).unwrap();
        moment(cron.first(Wall::from_nanos(-1)).unwrap()).to_zoned(TimeZone::UTC)
    };
    assert_eq!(first("H H * * *", "a"), first("~ ~ * * *", "a"));
    assert_ne!(first("H H * * *", "a"), first("H H * * *", "b"));
    let minutes: Vec<_> = (0..600).map(|job| first("H * * * *", &job.to_string()).minute()).collect();
    assert!((0..60).all(|minute| minutes.contains(&minute)));
    for job in 0..100 {
        let job = job.to_string();
        assert!((10..=19).contains(&first("H(10-19) * * * *", &job).minute()));
        assert!((10..=19).contains(&first("10~19 * * * *", &job).minute()));
        assert!(first("H/15 * * * *", &job).minute() < 15);
    }
}

#[test]
fn what_is_no_cron_expression_is_refused_with_the_field() {
    let refusal = |text| Cron::new(text, &job(), TimeZone::UTC).unwrap_err();
    for (text, said) in [
        ("61 * * * *", "\"61\" cannot be a minute (0-59)"),
        ("* 24 * * *", "\"24\" cannot be an hour"),
        ("* * 0 * *", "\"0\" cannot be a day of the month"),
        ("* * * FOO *", "\"FOO\" cannot be a month"),
        ("* * * * 8", "\"8\" cannot be a day of the week"),
        ("H(50-70) * * * *", "\"H(50-70)\" cannot be a minute (0-59): a value is picked from 0 to 59 here"),
        ("H/0 * * * *", "\"H/0\" cannot be a minute (0-59)"),
        ("* * * *", "a cron expression has five fields"),
        ("", "a cron expression has five fields"),
        ("@reboot", "\"@reboot\" is no name of a schedule; there are @yearly"),
        ("0 0 30 2 *", "there is no such day in any year"),
    ] {
        assert!(refusal(text).contains(said), "{text}: {}", refusal(text));
    }
}

/// What a change of the clocks does with the due times of a day, and with what is none.
fn changes(cron: &Cron, (year, month, day): (i16, i8, i8), zone: &str) -> Vec<(Change, String, bool)> {
    let begin = date(year, month, day).at(0, 0, 0, 0).to_zoned(TimeZone::get(zone).unwrap()).unwrap();
    let told = cron.explain(wall(begin.timestamp() - 1.second()), 5).unwrap();
    let changed = told.into_iter().filter_map(|told| Some((told.change?, told.civil, told.due.is_some())));
    changed.collect()
}

#[test]
fn a_due_time_that_a_change_of_the_clocks_touches_is_explained() {
    let half_past_two = cron("30 2 * * *", NEW_YORK);
    let march = |cron: &Cron| changes(cron, (2026, 3, 8), NEW_YORK);
    let moved = "2026-03-08T03:00:00-04:00[America/New_York]".to_owned();
    assert_eq!(march(&half_past_two), [(Change::Moved, moved, true)]);
    let never = "2026-03-08T02:30:00[America/New_York]".to_owned();
    assert_eq!(march(&half_past_two.clone().with_gap(Gap::Skip)), [(Change::Skipped, never, false)]);
    let told = half_past_two.explain(wall("2026-03-07T12:00:00Z".parse().unwrap()), 1).unwrap();
    assert!(told[0].reason.contains("clocks are set from 02:00 to 03:00, so 02:30 never comes"), "{told:?}");

    let half_past_one = cron("30 1 * * *", NEW_YORK);
    let november = |cron: &Cron| changes(cron, (2026, 11, 1), NEW_YORK);
    let [first, again] = ["-04:00", "-05:00"].map(|at| format!("2026-11-01T01:30:00{at}[America/New_York]"));
    let single = [(Change::First, first.clone(), true), (Change::Single, again.clone(), false)];
    assert_eq!(november(&half_past_one), single);
    let doubled = [(Change::First, first, true), (Change::Doubled, again, true)];
    assert_eq!(november(&half_past_one.with_overlap(Overlap::Both)), doubled);
}

/// Around every change of every zone, by every policy: what is explained is what is due.
#[test]
fn what_is_explained_is_what_is_due() {
    let patterns = ["30 2 * * *", "0 0 * * *", "*/30 * * * *", "0,30 1,3 * * *"];
    for name in tz::db().available() {
        let zone = TimeZone::get(name.as_str()).unwrap();
        let begin = date(2026, 1, 1).to_zoned(zone.clone()).unwrap().timestamp();
        for change in zone.following(begin).take(4).map(|change| change.timestamp()) {
            for (index, text) in patterns.into_iter().enumerate() {
                let cron = Cron::new(text, &job(), zone.clone()).unwrap();
                let cron = cron.with_gap([Gap::RunAfter, Gap::Skip][index % 2]);
                let cron = cron.with_overlap([Overlap::First, Overlap::Both][index / 2]);
                let from = wall(change - 5.hours());
                let told = cron.explain(from, 12).unwrap();
                let told: Vec<_> = told.into_iter().filter_map(|told| told.due).collect();
                let due = std::iter::successors(cron.next(from), |last| cron.next(*last)).take(12);
                assert_eq!(told, due.collect::<Vec<_>>(), "{name} {text} at {change}");
            }
        }
    }
}

/// Around every change of every zone: due times rise, none fails, and what names its time runs once a day.
#[test]
fn no_zone_makes_a_schedule_stop_or_go_back() {
    let patterns = ["30 2 * * *", "0 0 * * *", "*/30 * * * *", "15 */2 * * *", "0,30 1 * * 0"];
    let mut steps = 0;
    for name in tz::db().available() {
        let zone = TimeZone::get(name.as_str()).unwrap();
        let daily = Cron::new(patterns[0], &job(), zone.clone()).unwrap();
        let crons = patterns.map(|text| Cron::new(text, &job(), zone.clone()).unwrap());
        let begin = date(*YEARS.start(), 1, 1).to_zoned(zone.clone()).unwrap().timestamp();
        let changes = zone.following(begin).map(|change| change.timestamp());
        for change in changes.take_while(|change| change.to_zoned(zone.clone()).year() <= *YEARS.end()) {
            let (from, to) = (wall(change - 27.hours()), wall(change + 27.hours()));
            for cron in &crons {
                let mut last = from;
                while last < to {
                    let next = cron.next(last).unwrap_or_else(|| panic!("{name} {cron:?} stops at {last}"));
                    assert!(next > last, "{name} {cron:?} goes from {last} to {next}");
                    assert!(
                        next.since(last) <= Duration::from_hours(24 * 8),
                        "{name} {cron:?}: {last}, {next}"
                    );
                    last = next;
                    steps += 1;
                }
            }
            let days = std::iter::successors(daily.next(from), |last| daily.next(*last));
            let days: Vec<_> = days.take_while(|due| *due < to).collect();
            assert!((1..=3).contains(&days.len()), "{name} at {change}: {days:?}");
        }
    }
    assert!(steps > 50_000, "{steps}");
}
