import KafkaProtocol
import KafkaStorage

/// DescribeLogDirs (35), versions 1–5. There is one folder. A partition that nothing has used since the start is opened
/// to learn its size. Space on the device is not told (−1, v4+).
enum DescribeLogDirsHandler: RequestHandler {
    typealias Request = DescribeLogDirsRequest
    typealias Result = DescribeLogDirsResponse.DescribeLogDirsResult

    static func handle(_ request: DescribeLogDirsRequest, _ call: Call<DescribeLogDirsResponse>) {
        guard call.allowsOnCluster(.describe) else {
            var response = DescribeLogDirsResponse()
            response.errorCode = .clusterAuthorizationFailed
            return call.respond(response)
        }
        var result = Result()
        result.logDir = call.node.configuration.dataDirectory
        do throws(Refusal) {
            if let asked = request.topics {
                for entry in asked {
                    guard let topic = call.node.topics.topic(named: entry.topic) else { continue }
                    let wanted = Set(entry.partitions)
                    result.topics.append(try describe(topic, call.node) { wanted.contains($0) })
                }
            } else {
                for topic in call.node.topics.all { result.topics.append(try describe(topic, call.node) { _ in true }) }
            }
        } catch {
            result.errorCode = error.code
            result.topics = []
        }
        var response = DescribeLogDirsResponse()
        response.results = [result]
        call.respond(response)
    }

    private static func describe(
        _ topic: Topic, _ node: BrokerNode, _ isWanted: (Int32) -> Bool
    ) throws(Refusal) -> Result.DescribeLogDirsTopic {
        var answer = Result.DescribeLogDirsTopic()
        answer.name = topic.name
        let existing = Set(try node.topics.existingPartitions(of: topic.name))
        for partition in topic.partitions where isWanted(partition.index) {
            var entry = Result.DescribeLogDirsTopic.DescribeLogDirsPartition()
            entry.partitionIndex = partition.index
            do throws(StorageError) {
                entry.partitionSize = existing.contains(partition.index) ? try partition.log().size : 0
            } catch {
                throw Refusal(error)
            }
            answer.partitions.append(entry)
        }
        return answer
    }
}
