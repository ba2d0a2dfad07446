import KafkaProtocol
import OrderedCollections

/// DeleteGroups (42), versions 0–2. Only a group without members is deleted, with its offsets; answered when that is on
/// disk.
enum DeleteGroupsHandler: RequestHandler {
    typealias Request = DeleteGroupsRequest
    typealias Result = DeleteGroupsResponse.DeletableGroupResult

    static func handle(_ request: DeleteGroupsRequest, _ call: Call<DeleteGroupsResponse>) {
        call.node.groups.run { groups in
            next(request.groupsNames[...], [], groups, call)
        }
    }

    /// Deletes one group after the other; each waits for the disk.
    private static func next(
        _ names: ArraySlice<String>, _ done: [Result], _ groups: Groups, _ call: Call<DeleteGroupsResponse>
    ) {
        guard let name = names.first else {
            var response = DeleteGroupsResponse()
            response.results = done
            return call.respond(response)
        }
        func took(_ error: ErrorCode) {
            var result = Result()
            result.groupId = name
            result.errorCode = error
            next(names.dropFirst(), done + [result], groups, call)
        }
        guard call.allows(.delete, group: name) else { return took(.groupAuthorizationFailed) }
        delete(name, groups, took)
    }

    private static func delete(_ name: String, _ groups: Groups, _ done: @escaping (ErrorCode) -> Void) {
        do {
            guard let entry = try groups.entry(name) else { return done(.groupIdNotFound) }
            guard entry.isEmpty else { return done(.nonEmptyGroup) }
            var records = try entry.tombstones()
            for key in entry.offsets.keys { records.append(try GroupRecords.offset(group: name, key: key, value: nil)) }
            groups.store.append(records, group: name) { error in
                if error == .none { groups.forget(name) }
                done(error)
            }
        } catch let refusal as Refusal {
            done(refusal.code.forCoordinator)
        } catch {
            done(.unknownServerError)
        }
    }
}
