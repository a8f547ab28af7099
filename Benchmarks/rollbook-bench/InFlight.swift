extension Sequence where Self: Sendable, Element: Sendable {
    /// Runs `work` for every element, at most `limit` at the same time; the first error ends it.
    func inFlight(_ limit: Int, _ work: @escaping @Sendable (Element) async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var underWay = 0
            for element in self {
                if underWay == limit {
                    try await group.next()
                    underWay -= 1
                }
                group.addTask { try await work(element) }
                underWay += 1
            }
            try await group.waitForAll()
        }
    }
}
