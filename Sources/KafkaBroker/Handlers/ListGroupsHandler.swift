import KafkaProtocol

/// ListGroups (16), versions 0–5. v4+ filters by state, v5+ by type (classic or consumer). Both filters ignore case.
enum ListGroupsHandler: RequestHandler {
    typealias Request = ListGroupsRequest

    static func handle(_ request: ListGroupsRequest, _ call: Call<ListGroupsResponse>) {
        let seesAll = call.allowsOnCluster(.describe, logs: false)
        call.node.groups.run { groups in
            var response = ListGroupsResponse()
            do throws(Refusal) {
                try groups.loadAll()
                let states = Set(request.statesFilter.map { $0.lowercased() })
                let types = Set(request.typesFilter.map { $0.lowercased() })
                for (id, entry) in groups.entries.sorted(by: { $0.key < $1.key }) {
                    guard seesAll || call.allows(.describe, .group, id, logs: false) else { continue }
                    let state = entry.consumer?.state.rawValue ?? entry.group.state.rawValue
                    let type = entry.consumer == nil ? "classic" : "consumer"
                    if !states.isEmpty && !states.contains(state.lowercased()) { continue }
                    if !types.isEmpty && !types.contains(type) { continue }
                    var listed = ListGroupsResponse.ListedGroup()
                    listed.groupId = id
                    listed.protocolType = entry.consumer == nil ? entry.group.protocolType ?? "" : "consumer"
                    listed.groupState = state
                    listed.groupType = type
                    response.groups.append(listed)
                }
            } catch {
                response.errorCode = error.code.forCoordinator
            }
            call.respond(response)
        }
    }
}
