// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {FutureCalls} from "./FutureCalls.sol";

/// Stands in for the alarm clock's Scheduler v0.6.
contract SchedulerV06 is FutureCalls {
    uint256 public constant getMinimumGracePeriod = 64;
    uint256 public constant getMinimumCallGas = 200000;
    uint256 public constant getDefaultPayment = 1 ether;
    uint256 public constant getDefaultFee = 0.1 ether;
    uint256 private constant MINIMUM_LEAD = 305;

    constructor(address blueprint_) FutureCalls(blueprint_) {}

    /// Schedules a call of `contractAddress` with the four bytes `abiSignature` as its data for
    /// `targetBlock`. Answers zero, logs the reason and returns the money where it refuses.
    function scheduleCall(
        address contractAddress,
        bytes4 abiSignature,
        uint256 targetBlock,
        uint256 suggestedGas,
        uint8 gracePeriod,
        uint256 basePayment,
        uint256 baseFee
    ) external payable returns (address) {
        bytes32 reason = objection(targetBlock, gracePeriod, basePayment, baseFee);
        if (reason != 0) {
            refuse(reason);
            return address(0);
        }
        return enter(
            abi.encode(
                msg.sender,
                targetBlock,
                gracePeriod,
                contractAddress,
                abiSignature,
                suggestedGas,
                basePayment,
                baseFee
            ),
            targetBlock
        );
    }

    /// What must be sent along at the transaction's gas price, in wei.
    function getMinimumCallCost(uint256 basePayment, uint256 baseFee)
        public
        view
        returns (uint256)
    {
        return 2 * (basePayment + baseFee) + getMinimumCallGas * tx.gasprice;
    }

    /// Why a call may not be scheduled; zero if it may.
    function objection(
        uint256 targetBlock,
        uint8 gracePeriod,
        uint256 basePayment,
        uint256 baseFee
    ) private view returns (bytes32) {
        if (targetBlock < block.number + MINIMUM_LEAD) return "TOO_SOON";
        // Not in the original, whose index is not limited to 32 bits.
        if (targetBlock > type(uint32).max) return "TOO_LATE";
        if (gracePeriod < getMinimumGracePeriod) return "GRACE_TOO_SHORT";
        if (msg.value < getMinimumCallCost(basePayment, baseFee)) return "INSUFFICIENT_FUNDS";
        return 0;
    }
}
