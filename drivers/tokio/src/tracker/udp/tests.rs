use super::*;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// What holds of datagrams, however they are carried.
macro_rules! carries {
    ($tests:ident, $how:ident) => {
        mod $tests {
            use super::*;

            #[test]
            fn each_sender_gets_its_own_answer_or_none() {
                for host in [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), (Ipv6Addr::LOCALHOST, 0).into()] {
                    let socket = bind(host);
                    let tracker = socket.local_addr().expect("bound");
                    let mut datagrams = $how::Datagrams::new(socket);
                    let clients: Vec<_> = (0..100_u8).map(|_| bind(host)).collect();
                    for (number, client) in clients.iter().enumerate() {
                        client.send_to(&vec![number as u8; number], tracker).expect("sent");
                    }
                    let (mut all, mut asked) = (Tally::default(), 0);
                    while asked < clients.len() {
                        datagrams.receive().expect("a packet");
                        let tally = datagrams.answer(|_, packet, reply| {
                            asked += 1;
                            if packet.len() % 2 == 1 {
                                reply.extend_from_slice(&packet[1..]);
                                reply.extend_from_slice(b"!");
                            }
                        });
                        all.bytes_in += tally.bytes_in;
                        all.bytes_out += tally.bytes_out;
                        all.unsent += tally.unsent;
                    }
                    assert_eq!(all, Tally { bytes_in: 99 * 50, bytes_out: 50 * 50, unsent: 0 });
                    for (number, client) in clients.iter().enumerate().filter(|(number, _)| number % 2 == 1) {
                        let mut reply = [0; 200];
                        let (length, from) = client.recv_from(&mut reply).expect("an answer");
                        assert_eq!(from, tracker);
                        assert_eq!(reply[..length], [&vec![number as u8; number - 1][..], b"!"].concat());
                    }
                    clients[0].set_read_timeout(Some(Duration::from_millis(50))).expect("a time-out");
                    assert!(clients[0].recv(&mut [0; 9]).is_err(), "silence");
                }
            }

            #[test]
            fn an_answer_that_goes_nowhere_stops_no_other() {
                let host = (Ipv4Addr::LOCALHOST, 0).into();
                let socket = bind(host);
                let tracker = socket.local_addr().expect("bound");
                let mut datagrams = $how::Datagrams::new(socket);
                let clients: Vec<_> = (0..3).map(|_| bind(host)).collect();
                clients.iter().for_each(|client| {
                    client.send_to(b"?", tracker).expect("sent");
                });
                let (mut asked, mut unsent) = (0, 0);
                while asked < 3 {
                    datagrams.receive().expect("a packet");
                    let tally = datagrams.answer(|_, _, reply| {
                        asked += 1;
                        // The second is longer than any datagram.
                        reply.resize(reply.len() + if asked == 2 { 1 << 17 } else { 1 }, b'!');
                    });
                    unsent += tally.unsent;
                }
                assert_eq!(unsent, 1);
                for client in [&clients[0], &clients[2]] {
                    assert_eq!(client.recv(&mut [0; 9]).expect("an answer"), 1);
                }
            }
        }
    };
}

#[cfg(target_os = "linux")]
carries!(in_batches, batched);
carries!(one_by_one, single);

fn bind(host: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(host).expect("loopback");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    socket
}
