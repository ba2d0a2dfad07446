import KafkaClient

extension TopicPattern {
    /// A regular expression over whole names, as `--topic` and `--include` take it: POSIX's extended syntax, of which
    /// Java's is a superset. Kafka reads a comma as "or" in lists of topics.
    init(option text: String) throws(CommandFailure) {
        do throws(KafkaError) {
            try self.init(text.split(separator: ",").joined(separator: "|"))
        } catch {
            throw CommandFailure("'\(text)' is not a regular expression", status: .usage)
        }
    }
}
