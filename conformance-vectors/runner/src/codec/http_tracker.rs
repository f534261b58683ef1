//! Questions to HTTP trackers, and their answers (BEP 3, 7, 21, 23, 24, 31, 48).

use super::{Fault, Found, Vector, code, udp_tracker::shown, unhex};
use convoy_core::{
    id::{InfoHash, PeerId},
    tracker::{
        AnnounceRequest, AnnounceResponse, Counts, Event, Failure, Retry,
        http::{
            Encryption, Extras, PeerForm, announce_url, read_announce, read_scrape, scrape_url,
            write_announce, write_failure,
        },
    },
};
use serde_json::{Value as Json, json};
use std::time::Duration;

/// Where to announce.
pub(super) fn announce_question(vector: &Vector) -> Result<Found, Fault> {
    let setup = &vector.setup;
    let unfit = |key| move || Fault::unfit(key, setup);
    let digits = |key| setup[key].as_str().and_then(|text| text.parse().ok()).ok_or_else(unfit(key));
    let number = |key| setup[key].as_u64().ok_or_else(unfit(key));
    let event = setup["event"].as_str().unwrap_or("none");
    let announce = AnnounceRequest {
        info_hash: InfoHash(vector.setup_array("info_hash")?),
        peer_id: PeerId(vector.setup_array("peer_id")?),
        port: number("port")? as u16,
        uploaded: digits("uploaded")?,
        downloaded: digits("downloaded")?,
        left: digits("left")?,
        event: [Event::None, Event::Completed, Event::Started, Event::Stopped, Event::Paused]
            .into_iter()
            .find(|known| code(known) == event)
            .ok_or_else(unfit("event"))?,
        key: u32::from_be_bytes(vector.setup_array("key")?),
        num_want: setup["num_want"].as_u64().map(|number| number as u32),
    };
    let extras = Extras {
        tracker_id: setup["tracker_id"].as_str(),
        encryption: match setup["encryption"].as_str() {
            Some("required") => Encryption::Required,
            Some("supported") => Encryption::Supported,
            _ => Encryption::Unsaid,
        },
    };
    let url = setup["url"].as_str().ok_or_else(unfit("url"))?;
    Ok(announce_url(url, &announce, &extras).map_or_else(|| Found::error("no_http"), Found::value))
}

/// Where to scrape.
pub(super) fn scrape_question(vector: &Vector) -> Result<Found, Fault> {
    let url = vector.setup["url"].as_str().ok_or_else(|| Fault::unfit("url", &vector.setup))?;
    let url = scrape_url(url, &info_hashes(vector)?);
    Ok(url.map_or_else(|| Found::error("no_scrape"), Found::value))
}

/// The answer to an announce.
pub(super) fn announce_answer(vector: &Vector) -> Result<Found, Fault> {
    Ok(match read_announce(status(vector), &body(vector)?) {
        Ok(response) => {
            written(Found::value(answer(&response)), vector, write_announce(&response, form(vector)))
        }
        Err(failure) => failed(vector, &failure),
    })
}

/// The answer to a scrape of the swarms that the setup names.
pub(super) fn scrape_answer(vector: &Vector) -> Result<Found, Fault> {
    Ok(match read_scrape(status(vector), &body(vector)?, &info_hashes(vector)?) {
        Ok(swarms) => Found::value(swarms.iter().map(swarm).collect::<Json>()),
        Err(failure) => failed(vector, &failure),
    })
}

/// What a scrape says of a swarm: over HTTP more than over UDP (BEP 21).
fn swarm(counts: &Counts) -> Json {
    let mut swarm = shown(counts);
    swarm["downloaders"] = counts.downloaders.into();
    swarm
}

fn answer(response: &AnnounceResponse) -> Json {
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
    json!({
        "interval_s": seconds(response.interval),
        "min_interval_s": seconds(response.min_interval),
        "seeders": response.counts.seeders,
        "leechers": response.counts.leechers,
        "completed": response.counts.completed,
        "peers": response.peers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "hosts": response.hosts,
        "external_ip": response.external_ip,
        "tracker_id": response.tracker_id,
        "warning": response.warning,
    })
}

fn failed(vector: &Vector, failure: &Failure) -> Found {
    let Failure::Refused { reason, retry } = failure else { return Found::error(code(failure)) };
    let minutes = match retry {
        Retry::Unsaid => Json::Null,
        Retry::After(time) => (time.as_secs() / 60).into(),
        Retry::Never => "never".into(),
    };
    let value = json!({ "refused": reason, "retry_in_minutes": minutes });
    written(Found::value(value), vector, write_failure(reason, *retry))
}

/// In the vector's own notation.
fn written(mut found: Found, vector: &Vector, again: Vec<u8>) -> Found {
    if vector.text.is_none() {
        return found.written(&again);
    }
    found.written = String::from_utf8(again).ok();
    found
}

fn body(vector: &Vector) -> Result<Vec<u8>, Fault> {
    vector.text.as_ref().map_or_else(|| vector.bytes(), |text| Ok(text.clone().into_bytes()))
}

fn status(vector: &Vector) -> u16 {
    vector.setup["status"].as_u64().map_or(200, |status| status as u16)
}

/// How peers are written again.
fn form(vector: &Vector) -> PeerForm {
    if vector.setup["listed"] == true { PeerForm::Listed } else { PeerForm::Compact }
}

fn info_hashes(vector: &Vector) -> Result<Vec<InfoHash>, Fault> {
    let unfit = || Fault::unfit("info_hashes", &vector.setup);
    let read = |hash: &Json| {
        let bytes = unhex("info_hashes", hash.as_str().ok_or_else(unfit)?)?;
        bytes.try_into().map(InfoHash).map_err(|_| unfit())
    };
    vector.setup["info_hashes"].as_array().ok_or_else(unfit)?.iter().map(read).collect()
}
