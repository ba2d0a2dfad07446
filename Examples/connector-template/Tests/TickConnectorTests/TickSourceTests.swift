import KafkaTesting
import Testing
import TickConnector

struct TickSourceTests {
    /// What every connector must hold: definition, validation, plan of tasks, offsets, and going on at an offset.
    @Test func itHoldsWhatConnectorsMust() async throws {
        let problems = try await ConnectorConformance.problems(
            of: TickSource.self, config: ["topic": "ticks", "interval.ms": "1"], expecting: 3)
        #expect(problems == [])
    }
}
