# Kafka Connect with Debezium's connector, of the versions that the tests run.
FROM maven:3.9-eclipse-temurin-21 AS plugins
COPY scripts/servers.d/pom.xml pom.xml
RUN mvn --batch-mode --quiet --activate-profiles debezium dependency:copy-dependencies -DoutputDirectory=/plugins/debezium

FROM apache/kafka:4.1.1
COPY --from=plugins /plugins /plugins
COPY deploy/compose/connect.properties /etc/connect.properties
CMD ["/opt/kafka/bin/connect-distributed.sh", "/etc/connect.properties"]
