// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {pay} from "./Payments.sol";

/// What CallLib asks of the FutureBlockCall v0.6 whose storage it works on.
interface IFutureBlockCall {
    function baseFee() external view returns (uint256);
    function basePayment() external view returns (uint256);
    function beforeExecute(address executor) external returns (bool);
    function gracePeriod() external view returns (uint8);
    function schedulerAddress() external view returns (address);
    function targetBlock() external view returns (uint256);
}

/// Stands in for the alarm clock's CallLib v0.6: what FutureBlockCall v0.6 leaves to it. That
/// contract was compiled when libraries were entered with CALLCODE, so msg.sender here is the call
/// contract itself, and everybody's address comes as an argument.
library CallLib {
    event CallExecuted(
        address indexed executor, uint256 gasCost, uint256 payment, uint256 fee, bool success
    );
    event Cancelled(address indexed cancelled_by);
    event Claimed(address executor, uint256 claimAmount);
    event _CallAborted(address executor, bytes32 reason);

    /// The layout of FutureBlockCall's storage from slot 3 on.
    struct Call {
        address contractAddress;
        bytes4 abiSignature;
        bytes callData;
        uint256 anchorGasPrice;
        uint256 suggestedGas;
        address claimer;
        uint256 claimAmount;
        uint256 claimerDeposit;
        bool wasSuccessful;
        bool wasCalled;
        bool isCancelled;
    }

    address payable private constant CREATOR = payable(0xd3CdA913deB6f67967B99D67aCDFa1712C293601);

    // Blocks, from the target on, that belong to the claimer.
    uint256 private constant RESERVED = 16;
    // Blocks before the target: no claims, then claims for all of the payment, before that for a
    // part of it that grows.
    uint256 private constant FREEZE = 10;
    uint256 private constant MAXIMUM = 15;
    uint256 private constant GROWTH = 240;

    function CallAborted(address executor, bytes32 reason) external {
        emit _CallAborted(executor, reason);
    }

    /// Keeps what follows the selector of registerData.
    function extractCallData(Call storage self, bytes calldata data) external {
        self.callData = data[4:];
    }

    /// Whether `executor` may execute the call in this block; fails outside its window.
    function checkExecutionAuthorization(Call storage self, address executor, uint256 blockNumber)
        external
        view
        returns (bool)
    {
        uint256 target = me().targetBlock();
        require(blockNumber >= target && blockNumber <= target + me().gracePeriod());
        if (blockNumber >= target + RESERVED) return true;
        return self.claimer == address(0) || self.claimer == executor;
    }

    /// Calls the target, pays the executor and the creator as far as the money goes.
    function execute(
        Call storage self,
        uint256 startGas,
        address executor,
        uint256 overhead,
        uint256 extraGas
    ) external {
        if (!me().beforeExecute(executor)) return;
        self.wasCalled = true;
        bool success = callTarget(self, overhead);
        self.wasSuccessful = success;
        uint256 percent = scalar(self.anchorGasPrice, tx.gasprice);
        bool claimed = self.claimer == executor;
        uint256 payment = (claimed ? self.claimAmount : me().basePayment()) * percent / 100;
        uint256 fee = me().baseFee() * percent / 100;
        payment += self.claimerDeposit;
        self.claimerDeposit = 0;
        uint256 gasCost = tx.gasprice * (startGas - gasleft() + extraGas);
        payment = send(executor, payment + gasCost);
        fee = send(CREATOR, fee);
        emit CallExecuted(executor, gasCost, payment, fee, success);
    }

    /// Gives the claimer the deposit back and the scheduler the rest.
    function cancel(Call storage self, address sender) external {
        emit Cancelled(sender);
        send(self.claimer, self.claimerDeposit);
        send(me().schedulerAddress(), address(this).balance);
        self.isCancelled = true;
    }

    /// Notes the claim, where it may be made. Always answers false, as the original does, whereupon
    /// FutureBlockCall gives the deposit back.
    function claim(Call storage self, address executor, uint256 deposit, uint256 basePayment)
        external
        returns (bool)
    {
        uint256 target = me().targetBlock();
        if (self.claimer != address(0) || deposit < 2 * basePayment) return false;
        if (block.number + FREEZE + MAXIMUM + GROWTH < target) return false;
        if (block.number + FREEZE > target) return false;
        self.claimAmount = amountFor(block.number);
        self.claimer = executor;
        self.claimerDeposit = deposit;
        emit Claimed(executor, self.claimAmount);
        return false;
    }

    /// What a claim in this block earns.
    function getClaimAmountForBlock(uint256 blockNumber) external view returns (uint256) {
        return amountFor(blockNumber);
    }

    /// Sends as much of `value` as there is; answers how much that was.
    function sendSafe(address recipient, uint256 value) external returns (uint256) {
        return send(recipient, value);
    }

    function send(address recipient, uint256 value) private returns (uint256) {
        uint256 there = address(this).balance;
        if (value > there) value = there;
        pay(payable(recipient), value);
        return value;
    }

    /// The target gets all gas but `overhead` and the 64th part that EIP-150 keeps back.
    function callTarget(Call storage self, uint256 overhead) private returns (bool success) {
        bytes memory data = bytes.concat(self.abiSignature, self.callData);
        uint256 available = gasleft();
        uint256 allowance = available > overhead ? available - overhead : available;
        (success,) = self.contractAddress.call{gas: allowance}(data);
    }

    function amountFor(uint256 blockNumber) private view returns (uint256) {
        uint256 payment = me().basePayment();
        uint256 full = me().targetBlock() - FREEZE - MAXIMUM;
        if (blockNumber > full) return payment;
        uint256 first = full - GROWTH;
        return blockNumber < first ? 0 : payment * (blockNumber - first) / GROWTH;
    }

    /// In percent, 0 to 200: more for an executor who pays less for gas than the scheduler paid.
    function scalar(uint256 base, uint256 price) private pure returns (uint256) {
        if (price > base) return 100 * base / price;
        // Division by zero answered zero then: scheduled and executed for nothing.
        return base == 0 ? 200 : 200 - 100 * base / (2 * base - price);
    }

    function me() private view returns (IFutureBlockCall) {
        return IFutureBlockCall(address(this));
    }
}
