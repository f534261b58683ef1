//! Draws how a run went: completion, rate and slots over time.

use crate::scenario::report::Sample;
use plotters::backend::SVGBackend;
use plotters::{
    chart::{ChartBuilder, SeriesLabelPosition},
    coord::Shift,
    drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea},
    element::PathElement,
    series::LineSeries,
    style::{BLACK, Color, RGBColor, WHITE},
};

/// The picture's size, in pixels.
const SIZE: (u32, u32) = (900, 900);

/// Colours that people tell apart, also those who see fewer.
const COLOURS: [RGBColor; 3] = [RGBColor(213, 94, 0), RGBColor(0, 114, 178), RGBColor(0, 158, 115)];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// A name, and a value for each sample.
type Curve = (&'static str, fn(&Sample) -> f64);

/// An SVG picture of `samples`.
///
/// # Errors
/// The library does not draw it.
pub fn svg(title: &str, samples: &[Sample]) -> Result<String, DrawingAreaErrorKind<std::io::Error>> {
    let mut picture = String::new();
    {
        let root = SVGBackend::with_string(&mut picture, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let areas = root.titled(title, ("sans-serif", 24))?.split_evenly((3, 1));
        let charts: [(&str, &[Curve]); 3] = [
            (
                "complete, % of the torrent",
                &[
                    ("most", |sample| f64::from(sample.most_ppm) / 1e4),
                    ("median", |sample| f64::from(sample.median_ppm) / 1e4),
                    ("least", |sample| f64::from(sample.least_ppm) / 1e4),
                ],
            ),
            ("received by all, MiB/s", &[("rate", |sample| sample.received_bytes as f64 / 1_048_576.0)]),
            ("slots in use, peers", &[("slots", |sample| f64::from(sample.slots))]),
        ];
        for (area, (caption, curves)) in areas.iter().zip(charts) {
            chart(area, caption, curves, samples)?;
        }
        root.present()?;
    }
    Ok(picture)
}

fn chart(area: &Area<'_>, caption: &str, curves: &[Curve], samples: &[Sample]) -> Drawn {
    let seconds = |sample: &Sample| sample.at.as_micros() as f64 / 1e6;
    let end = samples.last().map_or(1.0, seconds).max(1.0);
    let values = curves.iter().flat_map(|(_, value)| samples.iter().map(value));
    // Room above the highest point, so that a line along the top is seen.
    let top = values.fold(1.0, f64::max) * 1.05;
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(32)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..end, 0.0..top)?;
    chart.configure_mesh().x_desc("seconds").light_line_style(WHITE).draw()?;
    for ((name, value), colour) in curves.iter().zip(COLOURS) {
        let line = LineSeries::new(samples.iter().map(|sample| (seconds(sample), value(sample))), colour);
        chart
            .draw_series(line)?
            .label(*name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], colour));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .draw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use convoy_core::Instant;

    fn samples() -> Vec<Sample> {
        let sample = |second: u32| Sample {
            at: Instant::from_micros(u64::from(second) * 1_000_000),
            least_ppm: second * 10_000,
            median_ppm: second * 20_000,
            most_ppm: second * 20_000,
            received_bytes: 3 << 20,
            slots: second % 5,
        };
        (0..=50).map(sample).collect()
    }

    /// The points of each curve: a line of more than the two points that axes and legends have.
    fn curves(picture: &str) -> Vec<Vec<(f64, f64)>> {
        let lines = picture.split("<polyline").skip(1).filter_map(|line| {
            let points = line.split_once("points=\"")?.1.split_once('"')?.0;
            let number = |text: &str| text.parse::<f64>().expect("a number");
            let point = |point: &str| point.split_once(',').map(|(x, y)| (number(x), number(y)));
            Some(points.split_whitespace().filter_map(point).collect::<Vec<_>>())
        });
        lines.filter(|points| points.len() > 2).collect()
    }

    #[test]
    fn every_quantity_has_its_curve_and_its_name() {
        let picture = svg("flash-crowd, seed 1", &samples()).unwrap();
        let texts = ["flash-crowd, seed 1", "least", "median", "most", "rate", "slots", "seconds", "MiB/s"];
        for text in texts {
            assert!(picture.contains(text), "{text}");
        }
        assert_eq!(curves(&picture).len(), 5);
        assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn curves_have_the_shape_of_their_samples() {
        let curves = curves(&svg("", &samples()).unwrap());
        let [most, median, least, rate, _] = &curves[..] else { panic!("{}", curves.len()) };
        assert_eq!(most, median);
        // Upwards is towards zero.
        assert!(least.windows(2).all(|pair| pair[0].1 >= pair[1].1));
        assert!(least.last().unwrap().1 > most.last().unwrap().1);
        assert!(rate.iter().all(|point| point.1 == rate[0].1), "a flat line");
    }

    #[test]
    fn a_run_without_a_second_is_an_empty_picture() {
        assert_eq!(curves(&svg("nothing", &[]).unwrap()), Vec::<Vec<_>>::new());
    }
}
