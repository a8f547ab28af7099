/// Quorum arithmetic of an etcd (raft) cluster; learners never count.
///
/// Source: etcd FAQ "What is failure tolerance?" and procedures of every member change.
package enum Quorum {
    /// The least number of voters that must be healthy for the cluster to accept writes.
    package static func needed(voters: Int) -> Int { voters / 2 + 1 }

    /// How many voters may be lost while a cluster of `voters` still works.
    package static func tolerated(voters: Int) -> Int { max(0, (voters - 1) / 2) }

    /// How many more voters may be lost now; negative when there is no quorum.
    package static func spare(healthy: Int, of voters: Int) -> Int { healthy - needed(voters: voters) }

    /// Whether `healthy` of `voters` can elect a leader and commit.
    package static func holds(healthy: Int, of voters: Int) -> Bool { voters > 0 && healthy >= needed(voters: voters) }
}
