//! A topic that is deleted and made anew while it is read.

use std::time::Duration;

use passflow::ports::Event;
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    config::ClientConfig,
};

use crate::{
    kafka::Kafka,
    kafka_member::{Member, fill, sole_member},
    storage::soon,
};

const PARTITIONS: i32 = 3;

impl Kafka {
    /// Deletes `topic`, and makes another one of its name.
    async fn make_anew(&self, topic: &str) {
        let client: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", self.brokers()).create().unwrap();
        let (name, options) = (self.prefixed(topic), AdminOptions::new());
        client.delete_topics(&[&name], &options).await.unwrap().remove(0).unwrap();
        let topic = NewTopic::new(&name, PARTITIONS, TopicReplication::Fixed(1));
        // The old one may be there for a while yet; nobody tells when it is gone.
        while client.create_topics([&topic], &options).await.unwrap().remove(0).is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Member {
    /// Reads what there is of `count` partitions.
    async fn read_to_the_ends(&mut self, count: usize) {
        let mut ends = 0;
        while ends < count {
            ends += usize::from(matches!(self.next().await, (Event::End { .. }, _)));
        }
    }

    /// How its membership ends by itself.
    async fn end(&mut self) -> String {
        loop {
            match self.consumer.next().await {
                Ok(Event::Ended(error)) => return error.to_string(),
                Ok(Event::Records { records, .. }) => {
                    panic!("read on in another topic: {:?}", records[0].source);
                }
                _ => {}
            }
        }
    }
}

/// The driver says the id in a debug line alone: should it say it in other words, this fails.
#[tokio::test]
async fn a_topic_made_anew_has_another_id_and_ends_who_reads_the_old_one() {
    let kafka = Kafka::new().await;
    let topics = kafka.process(kafka.settings());
    let (mut member, owned) = sole_member(&topics).await;
    let positions = soon("the positions", member.consumer.committed(&owned)).await.unwrap();
    let before = member.consumer.topic_id(&"t".into()).expect("a topic has an id");
    for (partition, position) in owned.iter().zip(positions) {
        member.consumer.start(partition, position.offset).await.unwrap();
    }
    soon("the ends", member.read_to_the_ends(owned.len())).await;

    kafka.make_anew("t").await;
    // The offsets that come next in the old topic are soon there in the new one, too.
    for _ in 0..3 {
        fill(&topics, "t").await;
    }
    let ended = soon("the end of the membership", member.end()).await;
    assert!(ended.contains("deleted and made anew") && ended.contains(&*before), "{ended}");
    member.consumer.leave().await;

    let mut again = Member::join(&topics, &["t"]).await;
    soon("all", again.until_it_owns(owned.len())).await;
    let owned = again.owned.clone();
    soon("the positions", again.consumer.committed(&owned)).await.unwrap();
    let after = again.consumer.topic_id(&"t".into()).expect("a topic has an id");
    assert_ne!(before, after);
}

#[tokio::test]
async fn all_members_know_a_topic_by_the_same_id() {
    let kafka = Kafka::new().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (mut member, owned) = sole_member(&kafka.process(kafka.settings())).await;
        soon("the positions", member.consumer.committed(&owned)).await.unwrap();
        ids.push(member.consumer.topic_id(&"t".into()).expect("a topic has an id"));
        assert_eq!(member.consumer.topic_id(&"another".into()), None);
        member.consumer.leave().await;
    }
    assert_eq!(ids[0], ids[1]);
}
