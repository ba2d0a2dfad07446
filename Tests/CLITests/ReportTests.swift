import Testing

@testable import SluiceCLI

/// Expectations follow the output of Kafka's `kafka-consumer-groups.sh`: at least 15 columns, one space between.
@Suite struct ReportTests {
    @Test func columnsArePaddedAndTheLastIsRagged() {
        var table = TextTable([
            .init(title: "GROUP", minimumWidth: 15), .init(title: "LAG", minimumWidth: 5),
            .init(title: "CLIENT-ID", minimumWidth: 0),
        ])
        table.add(["a", "1", nil])
        table.add(["a-group-with-a-long-name", nil, "rdkafka"])
        #expect(
            table.lines == [
                "GROUP                    LAG   CLIENT-ID",
                "a                        1     -",
                "a-group-with-a-long-name -     rdkafka",
            ])
    }
}
