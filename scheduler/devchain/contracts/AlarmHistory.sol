// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BlockIndex} from "./BlockIndex.sol";
import {Scheduler} from "./Scheduler.sol";

/// A Scheduler of v0.7 that can be given a past: calls that never were, which are in its index and
/// its logs like those that were made and executed.
contract SchedulerWithHistory is Scheduler {
    using BlockIndex for BlockIndex.Index;

    constructor(address blueprint_) Scheduler(blueprint_) {}

    /// Enters `count` calls, numbered from `first` on, ten of them at each block from `target` on.
    function pretend(uint256 first, uint256 count, uint32 target) external {
        for (uint256 number = first; number < first + count; ++number) {
            address call = address(uint160(uint256(keccak256(abi.encode(number)))));
            calls.insert(call, target + uint32((number - first) / 10));
            emit CallScheduled(call);
        }
    }
}

/// A RequestFactory of 1.0 that knows no request, and logs as many as it is told.
contract RequestHistory {
    event RequestCreated(
        address request, address indexed owner, int256 indexed bucket, uint256[12] params
    );

    address public immutable transactionRequestCore = address(this);

    function isKnownRequest(address) external pure returns (bool) {
        return false;
    }

    /// Logs `count` requests, numbered from `first` on, whose windows of 16 blocks begin at block
    /// `start`.
    function pretend(uint256 first, uint256 count, uint256 start) external {
        uint256[12] memory params;
        params[5] = 1;
        params[6] = 16;
        params[7] = start;
        int256 bucket = -int256(start - start % 240);
        for (uint256 number = first; number < first + count; ++number) {
            address request = address(uint160(uint256(keccak256(abi.encode(number)))));
            emit RequestCreated(request, msg.sender, bucket, params);
        }
    }
}
