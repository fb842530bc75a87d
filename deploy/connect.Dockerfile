# Kafka Connect with Debezium's connector, of the versions that the tests run.
FROM maven:3.9-eclipse-temurin-21 AS plugins
COPY scripts/servers.d/pom.xml pom.xml
# A plugin must not carry the worker's own interfaces.
RUN mvn --batch-mode --quiet --activate-profiles debezium \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory=/plugins/debezium \
    && cd /plugins/debezium \
    && rm -f connect-api-*.jar connect-json-*.jar connect-runtime-*.jar connect-transforms-*.jar kafka-clients-*.jar \
        slf4j-api-*.jar

FROM apache/kafka:4.1.1
COPY --from=plugins /plugins /plugins
COPY deploy/compose/connect.properties /etc/connect.properties
CMD ["/opt/kafka/bin/connect-distributed.sh", "/etc/connect.properties"]
